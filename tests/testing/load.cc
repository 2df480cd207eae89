#include "tests/testing/load.h"

#include <chrono>

#include "gtest/gtest.h"

namespace gild::testing {

std::string NameOf(Condition condition) {
  switch (condition) {
    case Condition::kIdle: return "Idle";
    case Condition::kLoad: return "Load";
    case Condition::kBackToBack: return "BackToBack";
  }
  return "";
}

Load::Load(const std::shared_ptr<grpc::Channel>& channel, const std::vector<HonestWork>& works)
    : stub_(v1::Executor::NewStub(channel)) {
  for (const HonestWork& work : works) threads_.emplace_back([this, work] { Repeat(work); });
}

Load::~Load() {
  stop_.store(true);
  for (std::thread& thread : threads_) thread.join();
}

void Load::Repeat(const HonestWork& work) {
  while (!stop_.load()) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    v1::RunRequest request;
    *request.mutable_task() = work.task;
    v1::RunReply reply;
    const grpc::Status status = stub_->Run(&context, request, &reply);
    const v1::Outcome& outcome = reply.outcome();
    if (status.ok() && work.ends.contains(outcome.ending()) &&
        (outcome.ending() != v1::SUCCEEDED || outcome.stdout() == work.prints.value_or(outcome.stdout()))) {
      continue;
    }
    ADD_FAILURE() << "honest work: " << status.error_message() << " " << outcome.DebugString();
    return;
  }
}

}  // namespace gild::testing
