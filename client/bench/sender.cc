#include "client/bench/sender.h"

#include <utility>

#include "client/cpp/client.h"

namespace gild::bench {
namespace {

class UnarySender : public Sender {
 public:
  explicit UnarySender(const std::string& address) : client_(address) {}
  absl::Status Send(std::vector<TaskStream::Item> items) override {
    for (TaskStream::Item& item : items) client_.RunAsync(std::move(item.task), std::move(item.done));
    return absl::OkStatus();
  }

 private:
  Client client_;
};

class StreamSender : public Sender {
 public:
  StreamSender(const std::string& address, TaskStream::Options options)
      : client_(address), stream_(client_.OpenStream(options)) {}
  absl::Status Send(std::vector<TaskStream::Item> items) override { return stream_->RunBatch(std::move(items)); }

 private:
  Client client_;
  const std::unique_ptr<TaskStream> stream_;  // after the client, whose connection it uses
};

}  // namespace

std::unique_ptr<Sender> MakeSender(const std::string& address, Mode mode, size_t window, size_t batch) {
  switch (mode) {
    case Mode::kUnary: return std::make_unique<UnarySender>(address);
    case Mode::kStream: return std::make_unique<StreamSender>(address, TaskStream::Options{.window = window});
    case Mode::kBatched:
      return std::make_unique<StreamSender>(address, TaskStream::Options{.window = window, .message_tasks_max = batch});
  }
  return nullptr;
}

}  // namespace gild::bench
