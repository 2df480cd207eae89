#include "server/service/completion_queue.h"

#include <pthread.h>

#include <utility>

#include "server/ipc/channel.h"

namespace gild {
namespace {

// Nobody's task waits for longer than so many tags take.
constexpr int kTagsTogetherMax = 64;

}  // namespace

void CompletionQueue::Post(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  posted_.push_back(std::move(work));
  if (posted_.size() == 1) alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), AsVoid());
}

void CompletionQueue::Complete(bool) {
  std::vector<std::function<void()>> posted;
  {
    absl::MutexLock lock(&mutex_);
    posted.swap(posted_);
  }
  for (const std::function<void()>& work : posted) work();
}

void CompletionQueue::Start(const std::string& thread_name) {
  thread_ = std::thread([this] {
    void* tag;
    bool ok;
    while (grpc()->Next(&tag, &ok)) {
      {
        const SendTogether together;
        int tags = 0;
        do {
          static_cast<CompletionTag*>(tag)->Complete(ok);
        } while (++tags < kTagsTogetherMax &&
                 grpc()->AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC)) == grpc::CompletionQueue::GOT_EVENT);
      }
      for (const std::function<void()>& work : std::exchange(after_sends_, {})) work();
    }
  });
  pthread_setname_np(thread_.native_handle(), thread_name.c_str());
}

void CompletionQueue::Shutdown() {
  queue_->Shutdown();
  if (thread_.joinable()) return thread_.join();
  // Never started (the server did not come up): a queue must be empty before it is destroyed.
  void* tag;
  bool ok;
  while (queue_->Next(&tag, &ok)) {
  }
}

CompletionQueues::CompletionQueues(grpc::ServerBuilder* builder, int count) {
  for (int i = 0; i < count; ++i) queues_.push_back(std::make_unique<CompletionQueue>(builder->AddCompletionQueue()));
}

CompletionQueues::~CompletionQueues() { Shutdown(); }

void CompletionQueues::Start() {
  for (size_t i = 0; i < queues_.size(); ++i) queues_[i]->Start("gild-rpc-" + std::to_string(i));
}

void CompletionQueues::Shutdown() {
  if (std::exchange(shut_down_, true)) return;
  for (const auto& queue : queues_) queue->Shutdown();
}

}  // namespace gild
