// ServerFixture: a gild-server of the test's own, the real binaries on free ports of loopback, and a small language to
// talk to it. What ends the test also ends the server by SIGTERM and expects: exit 0, and no process left behind.
//
//   TEST_F(ScriptTest, PrintsAreCaptured) {
//     StartServer({"--cpu-interpreters", "1"});
//     EXPECT_EQ(Run(Script(v1::CPU, "print('hello')")).stdout(), "hello\n");
//   }
//
// One thread, but for PendingRun. What should not happen (the server does not start, an RPC fails that should not) is
// thrown as std::runtime_error, which fails the test.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gild/v1/executor.grpc.pb.h"
#include "gild/v1/monitor.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

namespace gild::testing {

// ---- tasks ----

v1::Value Json(const std::string& text);
v1::Value Raw(const std::string& bytes);
// The text of tests/testcases/<file>.
std::string Testcase(const std::string& file);
v1::Task Script(v1::Tag tag, const std::string& code);
// A function of a file in tests/testcases. The task is named after the entry.
v1::Task Call(v1::Tag tag, const std::string& file, const std::string& entry,
              const std::vector<v1::Value>& arguments = {});
// A wait in tests/testcases/waits.py that ends when the test says so.
v1::Task RingAndWait(v1::Tag tag, int doorbell_port);

// The same, which may start processes.
v1::Task WithProcesses(v1::Task task);

google::protobuf::Duration Ms(int64_t ms);

double Seconds(const google::protobuf::Duration& duration);

// ---- replies ----

// One message of a failed RPC's google.rpc.Status details; empty when it is not there.
template <typename Detail>
Detail DetailOf(const grpc::Status& status);

// One Run in flight. Its end cancels what still runs, and waits for that.
class PendingRun {
 public:
  PendingRun(v1::Executor::Stub* stub, const v1::Task& task, int64_t deadline_ms);
  ~PendingRun();

  void Cancel() { context_.TryCancel(); }
  // Both wait for the end.
  const grpc::Status& status();
  const v1::Outcome& outcome();  // throws when the RPC failed
  bool ended() const { return ended_.HasBeenNotified(); }

 private:
  grpc::ClientContext context_;
  v1::RunRequest request_;
  v1::RunReply reply_;
  grpc::Status status_;
  absl::Notification ended_;
};

struct HttpReply {
  int status = 0;
  std::string body;
};

// The numbers of grpc.health.v1.HealthCheckResponse; kNotFound is the RPC's answer to an unknown service.
enum class Health { kNotFound = -1, kUnknown = 0, kServing = 1, kNotServing = 2 };

// Asks again and again until it is so; throws after a minute. For what no event tells.
void Eventually(const std::string& what, const std::function<bool()>& is_so);

// ---- the server ----

class ServerFixture : public ::testing::Test {
 protected:
  ServerFixture();
  ~ServerFixture() override;
  void TearDown() override;

  // Listens on a free port of loopback, unless the flags say where.
  void StartServer(const std::vector<std::string>& flags = {});
  // Before a server is started: its CPU lane has a network, so that tasks there can ring at a Doorbell.
  void LetCpuTasksRing() { cpu_tasks_ring_ = true; }
  // Before a server is started: it is nobody's on this machine, and has no privilege. False, and why is printed: it
  // cannot be so here.
  bool BeOrdinaryUser();
  // With one interpreter a lane.
  void StartSmallServer(const std::vector<std::string>& more_flags = {});
  // SIGTERM, and what follows; the exit code.
  int StopServer();
  void Send(int signal);
  int AwaitServerExit();

  v1::Outcome Run(const v1::Task& task);
  // Run with the status that came of it, for what is refused.
  grpc::Status TryRun(const v1::Task& task);
  // A generous gRPC deadline, or the test's own.
  std::unique_ptr<PendingRun> RunLater(const v1::Task& task, int64_t deadline_ms = 200'000);

  // Whether tasks of that tag see such a file.
  bool Sees(v1::Tag tag, const std::string& path);
  // Whether the interpreters cannot import it. Only another CPython than Debian's (./test --python) may lack anything.
  bool Lacks(const std::string& module);

  v1::Info GetInfo();
  v1::Stats GetStats();
  v1::InterpreterStats Slot(const std::string& name);
  uint64_t Restarts(const std::string& slot, const std::string& cause);
  v1::LaneStats LaneOf(v1::Lane lane);
  uint64_t Endings(v1::Lane lane, v1::Ending ending);
  // Waits until the slot's interpreter is another than the given generation, and ready.
  v1::InterpreterStats AwaitSuccessor(const std::string& slot, uint64_t generation);
  Health GetHealth(const std::string& service);
  HttpReply HttpGet(const std::string& path);

  int pid() const { return pid_; }
  const std::string& address() const { return address_; }
  int http_port() const { return http_port_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::Executor::Stub* executor() { return executor_.get(); }
  v1::Monitor::Stub* monitor() { return monitor_.get(); }

 private:
  std::string AwaitReadyLine(int pipe_fd);
  // After a crash of the server, what is left is ended without a word: it had no time to notice.
  void ExpectNoProcessLeft(bool clean);

  bool cpu_tasks_ring_ = false;
  std::vector<std::string> becoming_;  // what the server's command line begins with
  int pid_ = 0;
  int err_file_ = -1;
  int out_pipe_ = -1;
  std::string address_;
  int http_port_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Executor::Stub> executor_;
  std::unique_ptr<v1::Monitor::Stub> monitor_;
};

// Tests that hold in both lanes: TEST_P(…, …) with `GetParam()` the tag.
class BothLanesFixture : public ServerFixture, public ::testing::WithParamInterface<v1::Tag> {
 protected:
  v1::Lane lane() const { return GetParam() == v1::IO ? v1::IO_LANE : v1::CPU_LANE; }
  std::string slot() const { return GetParam() == v1::IO ? "io-0" : "cpu-0"; }
};

#define INSTANTIATE_IN_BOTH_LANES(fixture)                                     \
  INSTANTIATE_TEST_SUITE_P(Lanes, fixture, ::testing::Values(v1::IO, v1::CPU), \
                           [](const auto& info) { return std::string(info.param == v1::IO ? "Io" : "Cpu"); })

}  // namespace gild::testing
