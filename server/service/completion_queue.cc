#include "server/service/completion_queue.h"

#include <pthread.h>

#include <string>

namespace gild {

CompletionQueues::CompletionQueues(grpc::ServerBuilder* builder, int count) {
  for (int i = 0; i < count; ++i) queues_.push_back(builder->AddCompletionQueue());
}

CompletionQueues::~CompletionQueues() { Shutdown(); }

void CompletionQueues::Start() {
  for (const auto& queue : queues_) {
    threads_.emplace_back([queue = queue.get()] {
      void* tag;
      bool ok;
      while (queue->Next(&tag, &ok)) static_cast<CompletionTag*>(tag)->Complete(ok);
    });
    pthread_setname_np(threads_.back().native_handle(), ("gild-rpc-" + std::to_string(threads_.size() - 1)).c_str());
  }
}

void CompletionQueues::Shutdown() {
  if (shut_down_) return;
  shut_down_ = true;
  for (const auto& queue : queues_) queue->Shutdown();
  for (std::thread& thread : threads_) thread.join();
  if (!threads_.empty()) return;
  // Never started (the server did not come up): a queue must be empty before it is destroyed.
  for (const auto& queue : queues_) {
    void* tag;
    bool ok;
    while (queue->Next(&tag, &ok)) {
    }
  }
}

}  // namespace gild
