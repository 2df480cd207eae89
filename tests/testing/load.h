// Conditions that a server meets bad citizens in, and Load: honest work beside them.
//
//   const Load load(channel(), {{.task = Script(v1::CPU, "print(1)"), .prints = "1\n"}});
//
// Load: one thread for each piece of work, from its making to its end. What ends otherwise than it may fails the test,
// and is not run again.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gild/v1/executor.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace gild::testing {

enum class Condition {
  kIdle,        // what follows each of them is looked at
  kLoad,        // the same, beside honest work
  kBackToBack,  // one after the other, without a pause
};

inline constexpr Condition kConditions[] = {Condition::kIdle, Condition::kLoad, Condition::kBackToBack};

std::string NameOf(Condition condition);  // "Idle", as a part of a test's name

struct HonestWork {
  v1::Task task;
  std::optional<std::string> prints;  // where it succeeds; empty: whatever it likes
  std::set<v1::Ending> ends = {v1::SUCCEEDED};
};

class Load {
 public:
  Load(const std::shared_ptr<grpc::Channel>& channel, const std::vector<HonestWork>& works);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  void Repeat(const HonestWork& work);

  const std::unique_ptr<v1::Executor::Stub> stub_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace gild::testing
