// RpcServerTest: a real server and a real client on loopback, over a scheduler whose lanes are fakes: what the lane is
// told is waited for, never slept for.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gild/v1/executor.grpc.pb.h"
#include "gild/v1/monitor.grpc.pb.h"
#include "google/rpc/status.pb.h"
#include "server/service/rpc_server.h"
#include "tests/testing/poller_thread.h"

namespace gild {

// Takes every task and runs none; a cancelled one ends on a thread of its own, as a lane's would on the poller's.
class FakeLane {
 public:
  // On the thread that hands a task over.
  std::function<void()> on_run = [] {};

  ~FakeLane() {
    for (std::thread& thread : threads_) thread.join();
  }

  Scheduler::LanePort Port(std::function<void(uint64_t, Outcome)> ended) {
    ended_ = std::move(ended);
    return {.run =
                [this](int, const std::shared_ptr<const Task>& task) {
                  on_run();
                  const std::lock_guard lock(mutex_);
                  started_.push_back(task);
                  changed_.notify_all();
                  return true;
                },
            .cancel =
                [this](uint64_t serial) {
                  const std::lock_guard lock(mutex_);
                  ++cancels_;
                  changed_.notify_all();
                  threads_.emplace_back([this, serial] {
                    Outcome outcome;
                    outcome.ending = Ending::kCancelled;
                    outcome.started = true;
                    ended_(serial, outcome);
                  });
                },
            .peek =
                [this](int, uint64_t serial, OutputPoint after) {
                  const std::lock_guard lock(mutex_);
                  ++peeks_;
                  const Glimpse& all = printed_[serial];
                  Glimpse glimpse{.out = all.out.substr(after.out_bytes, kWatchReplyBytesMax),
                                  .progress = all.progress};
                  glimpse.err = all.err.substr(after.err_bytes, kWatchReplyBytesMax - glimpse.out.size());
                  return glimpse;
                }};
  }

  // What the task has printed and told so far.
  void Print(const Task& task, const std::string& out, const std::string& err = "",
             std::optional<Progress> progress = std::nullopt) {
    const std::lock_guard lock(mutex_);
    Glimpse& printed = printed_[task.serial];
    printed.out += out;
    printed.err += err;
    if (progress) printed.progress = progress;
  }
  Glimpse Printed(const Task& task) {
    const std::lock_guard lock(mutex_);
    return printed_[task.serial];
  }
  int peeks() {
    const std::lock_guard lock(mutex_);
    return peeks_;
  }

  std::shared_ptr<const Task> AwaitStart(size_t count = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_.size() >= count; });
    return started_[count - 1];
  }
  void AwaitCancel(int count = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancels_ >= count; });
  }
  size_t started() {
    const std::lock_guard lock(mutex_);
    return started_.size();
  }

 private:
  std::function<void(uint64_t, Outcome)> ended_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<const Task>> started_;
  int cancels_ = 0;
  std::map<uint64_t, Glimpse> printed_;  // all of it, by serial
  int peeks_ = 0;
  std::vector<std::thread> threads_;
};

// The one detail of that kind; empty, and a failure, where there is none.
template <typename Detail>
Detail DetailOf(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& each : status.details()) {
    if (each.UnpackTo(&detail)) return detail;
  }
  ADD_FAILURE() << "no " << Detail::descriptor()->full_name() << " in " << status.DebugString();
  return detail;
}
template <typename Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return DetailOf<Detail>(details);
}

class RpcServerTest : public ::testing::Test {
 protected:
  void Start(Scheduler::Bounds bounds = {}) {
    Listen(bounds);
    if (server_ != nullptr) server_->Open();
  }
  // Calls wait.
  void Listen(Scheduler::Bounds bounds = {}) {
    const auto ended = [this](uint64_t serial, Outcome outcome) {
      scheduler_->Ended({{serial, std::move(outcome)}}, NowNs());
    };
    scheduler_.emplace(io_.Port(ended), cpu_.Port(ended), bounds);
    metrics_.emplace([] { return ServerInfo(); }, [this] { return snapshot_; });
    snapshot_.lanes = {{.lane = LaneKind::kIo, .interpreters = 1, .threads_per_interpreter = 128}};
    auto started = RpcServer::Start(
        {.listen = "127.0.0.1:0", .threads = 2, .queue_capacity = 5, .unread_bytes_max = unread_bytes_max_},
        &*scheduler_, &*metrics_, [] { return ServerInfo{.version = "0.1.0"}; },
        [this] {
          ServerSnapshot snapshot = snapshot_;
          snapshot.uptime_ns = ++snapshots_;  // tells one from the next
          return snapshot;
        },
        poller_.get());
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
    address_ = "127.0.0.1:" + std::to_string(server_->port());
    channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
    executor_ = v1::Executor::NewStub(channel_);
    monitor_ = v1::Monitor::NewStub(channel_);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown();
    poller_.End();
  }

  static v1::RunRequest Request(v1::Tag tag = v1::CPU) {
    v1::RunRequest request;
    request.mutable_task()->set_tag(tag);
    request.mutable_task()->mutable_source()->set_code("print('hello')");
    return request;
  }

  // A call on a thread of its own; the context is there to cancel it.
  struct Call {
    grpc::ClientContext context;
    v1::RunReply reply;
    std::future<grpc::Status> status;
  };
  std::unique_ptr<Call> Run(const v1::RunRequest& request) {
    auto call = std::make_unique<Call>();
    call->status = std::async(std::launch::async, [this, request, call = call.get()] {
      return executor_->Run(&call->context, request, &call->reply);
    });
    return call;
  }

  void End(const Task& task, const std::string& out) {
    Outcome outcome;
    outcome.ending = Ending::kSucceeded;
    outcome.started = true;
    outcome.out = out;
    scheduler_->Ended({{task.serial, outcome}}, NowNs());
  }

  testing::PollerThread poller_;
  int64_t unread_bytes_max_ = kUnreadBytesMax;
  FakeLane io_, cpu_;
  ServerSnapshot snapshot_;
  std::atomic<int> snapshots_ = 0;  // that services asked for
  std::optional<Scheduler> scheduler_;
  std::optional<Metrics> metrics_;
  std::unique_ptr<RpcServer> server_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Executor::Stub> executor_;
  std::unique_ptr<v1::Monitor::Stub> monitor_;
};

}  // namespace gild
