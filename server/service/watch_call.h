// WatchCall tells a client the latest of something on a completion queue: a server stream of one message at a time.
//
// A client that reads slowly is told less often; nothing piles up. Initial metadata go out at once, so that it knows
// that it watches. It ends when its client goes, the server shuts down, or there will be no more to tell.
//
//   WatchMethod<v1::WatchStatsRequest, v1::Stats> watch_stats{
//       .wait = [&](auto... arguments) { rpcs.RequestWatchStats(arguments...); },
//       .arrived = …, .latest = …, .written = …, .gone = …, .live = &live};
//   WatchCall<v1::WatchStatsRequest, v1::Stats>::Post(&watch_stats, queue);  // once: each that arrives posts the next
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/service/calls.h"

namespace gild {

template <typename Request, typename Message>
class WatchCall;

// What there is to tell.
struct Latest {
  bool is_new = false;              // the message is to be written
  std::optional<grpc::Status> end;  // nothing is, nor will be: how the call ends
};

// Lives as long as its calls.
template <typename Request, typename Message>
struct WatchMethod {
  using Call = WatchCall<Request, Message>;

  // The generated RequestX.
  std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncWriter<Message>*, grpc::CompletionQueue*,
                     grpc::ServerCompletionQueue*, void* tag)>
      wait;
  // A new watcher; anything but OK ends it, and `gone` follows all the same.
  std::function<grpc::Status(const std::shared_ptr<Call>&)> arrived;
  // Makes of the message written last (of an empty one, at first) the one to write now. One at a time for each call.
  std::function<Latest(const Call&, Message*)> latest;
  // The message has been written: the moment to Tell again, or to see to it that somebody will.
  std::function<void(const std::shared_ptr<Call>&)> written;
  std::function<void(const std::shared_ptr<Call>&)> gone;
  LiveCalls* live;
};

// Its tags come on its queue's one thread; Tell comes on any.
template <typename Request, typename Message>
class WatchCall : public std::enable_shared_from_this<WatchCall<Request, Message>> {
 public:
  using Method = WatchMethod<Request, Message>;

  // Waits for a client on this queue, unless no more calls are waited for.
  static void Post(const Method* method, grpc::ServerCompletionQueue* queue) {
    if (!method->live->Post()) return;
    const auto call = std::make_shared<WatchCall>(method, queue);
    // Must be asked for before the call arrives; holds no reference until then.
    call->rpc_.AsyncNotifyWhenDone(call->gone_.AsVoid());
    call->arrived_.Arm(call);
    method->wait(&call->rpc_, &call->request_, &call->writer_, queue, queue, call->arrived_.AsVoid());
  }

  WatchCall(const Method* method, grpc::ServerCompletionQueue* queue)
      : live_(method->live), method_(method), queue_(queue), writer_(&rpc_) {}

  const Request& request() const { return request_; }

  // Writes the latest, unless a message is on its way: then `written` follows.
  void Tell() ABSL_LOCKS_EXCLUDED(mutex_) {
    Latest latest;
    {
      absl::MutexLock lock(&mutex_);
      if (over_ || writing_) return;
      latest = method_->latest(*this, &message_);
      if (!latest.is_new && !latest.end) return;
      over_ = latest.end.has_value();
      writing_ = !over_;
    }
    // Outside the lock; nobody else writes until Written.
    if (latest.end) return Finish(*latest.end);
    written_.Arm(this->shared_from_this());
    writer_.Write(message_, written_.AsVoid());
  }

 private:
  void Arrived(bool ok) {
    if (!ok) return;  // the server shuts down
    live_.Arrived();
    gone_.Arm(this->shared_from_this());
    Post(method_, queue_);
    const grpc::Status status = method_->arrived(this->shared_from_this());
    if (!status.ok()) {
      {
        absl::MutexLock lock(&mutex_);
        over_ = true;
      }
      return Finish(status);
    }
    greeted_.Arm(this->shared_from_this());
    writer_.SendInitialMetadata(greeted_.AsVoid());
  }

  void Greeted(bool ok) {
    if (StopWriting(ok)) Tell();
  }

  void Written(bool ok) {
    if (StopWriting(ok)) method_->written(this->shared_from_this());
  }

  // False: it is over.
  bool StopWriting(bool ok) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    over_ = over_ || !ok;
    return !over_;
  }

  void Finish(const grpc::Status& status) {
    finished_.Arm(this->shared_from_this());
    writer_.Finish(status, finished_.AsVoid());
  }

  void Finished(bool) {}

  void Gone(bool) {
    {
      absl::MutexLock lock(&mutex_);
      over_ = true;
    }
    method_->gone(this->shared_from_this());
  }

  LiveCall live_;  // first
  const Method* const method_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext rpc_;
  Request request_;
  grpc::ServerAsyncWriter<Message> writer_;
  CallEvent<WatchCall> arrived_{&WatchCall::Arrived};
  CallEvent<WatchCall> greeted_{&WatchCall::Greeted};
  CallEvent<WatchCall> written_{&WatchCall::Written};
  CallEvent<WatchCall> finished_{&WatchCall::Finished};
  CallEvent<WatchCall> gone_{&WatchCall::Gone};

  absl::Mutex mutex_;
  Message message_;                              // whose turn it is says writing_
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;  // the greeting, at first
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace gild
