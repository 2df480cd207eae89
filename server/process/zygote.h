// Zygote: the server's handle on the zygote process, which makes slots on request.
//
// It starts `gild-interpreter` with a clean environment, closed descriptors and one socketpair, waits for ZygoteReady,
// and then forwards MakeSlot and what comes back. Nobody restarts the zygote: its end is reported through `on_gone`,
// and main ends the server (no slot could ever be replaced).
//
// Thread rule: Start before or while the poller runs, from any other thread; MakeSlot and all callbacks on the poller's
// thread; the rest from any thread. It makes this process a subreaper, and REQUIRES that it has no other children.
// Order of the end: lanes' Shutdown, then the poller's, then Stop, then the lanes are destroyed, then the zygote.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "gild/internal/frames.pb.h"
#include "server/base/clock.h"
#include "server/base/poller.h"
#include "server/base/unique_fd.h"
#include "server/ipc/channel.h"
#include "server/process/slot_process.h"
#include "server/process/spawn.h"
#include "server/task/snapshot.h"

namespace gild {

class Zygote : public SlotFactory {
 public:
  struct Options {
    std::string program;  // the path of gild-interpreter (InterpreterProgramBesideUs)
    std::vector<std::string> preload;
    std::vector<std::string> without_layers;  // of isolation, by name: for tests, to see what each is worth
    // Importing a large library from a cold disk takes its time.
    int64_t ready_limit_ns = 60 * kNsPerSecond;
    // Its end, which Stop did not ask for. On the poller's thread, once.
    std::function<void(absl::Status reason)> on_gone;
    // A slot is not in the control group that was ordered for it. On the poller's thread.
    std::function<void(const std::string& why)> on_group_missed;
    // A slot has less isolation than its order requires, and is gone for that. On the poller's thread.
    std::function<void(IsolationLevel given, const std::string& lacks)> on_too_little;
  };

  struct Info {
    std::string python_version;
    bool meter_available = false;
    std::string meter_detail;
    std::vector<std::string> preloaded;
    internal::Isolation interpreters;  // what every interpreter has
  };

  // Blocks until the zygote is ready; an error says why it is not. The poller outlives the zygote, but its thread has
  // ended before the zygote is destroyed.
  static absl::StatusOr<std::unique_ptr<Zygote>> Start(Poller* poller, Options options);
  ~Zygote() override;
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  std::unique_ptr<SlotProcess> MakeSlot(const SlotOrder& order, SlotProcess::Events events) override;

  const Info& info() const { return info_; }
  // Of the lane's slots and their interpreters, as far as slots have been made; empty before the first. Those that have
  // too little run nothing, and do not count.
  IsolationSnapshot isolation(LaneKind lane) const ABSL_LOCKS_EXCLUDED(mutex_);
  int pid() const { return process_.pid; }

  // Ends the zygote, every slot and every interpreter, and reaps them all: by closing the conversations, after
  // `limit_ns` by SIGKILL. Not on the poller's thread. Calling it again does nothing.
  void Stop(int64_t limit_ns = 2 * kNsPerSecond) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Slot;
  struct SlotConversation;
  struct Made {
    UniqueFd pidfd;
  };
  struct SlotFacts {
    uint32_t number;
    LaneKind lane;
    bool network;
    IsolationLevel required;
  };

  Zygote(Poller* poller, Options options, SpawnedProcess process, UniqueFd conversation, Info info);

  // On the poller's thread.
  void Listen();
  void OnFrame(absl::string_view payload);
  // `init`: its pid, as the kernel vouches for it. An error: it has less isolation than is required.
  absl::Status OnSlotEntered(const SlotFacts& slot, pid_t init, const internal::Isolation& isolation)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnConversationClosed(absl::Status reason);
  void OnProcessEnded();
  void ReapNowAndThen();
  // The slot's owner has let go of it: its init must end.
  void Abandon(uint32_t slot) ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<SlotConversation> Find(uint32_t slot) ABSL_LOCKS_EXCLUDED(mutex_);

  // False when it is not dead yet. Reaps the zygote at most once.
  bool ReapZygote() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReportGone(absl::Status reason) ABSL_LOCKS_EXCLUDED(mutex_);

  Poller* const poller_;
  const Options options_;
  const SpawnedProcess process_;
  const Info info_;
  const std::shared_ptr<Channel> channel_;

  // Poller's thread only.
  uint32_t last_slot_ = 0;
  std::map<uint32_t, Made> made_;  // inits that live, as far as they and the zygote have told

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_reported_ ABSL_GUARDED_BY(mutex_) = false;
  bool reaped_ ABSL_GUARDED_BY(mutex_) = false;
  int wait_status_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<LaneKind, IsolationSnapshot> isolation_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, std::weak_ptr<SlotConversation>> slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
