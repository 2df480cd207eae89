// Sessions: which sessions live, where each has its globals, and which of them has to go.
//
// A session begins with a task that names it, and keeps the slot in which its first task was placed. It is forgotten
// when it was idle for too long, or when it is the one idle for the longest and another needs its place; a name that
// comes again after that begins a new one, under a new number. What is forgotten is not yet gone: its interpreter has
// to let go of it, and tells (Gone).
//
// Passive, one thread at a time; time comes in as an argument. Everything takes constant time but Snapshot
// and LeaveSlot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"
#include "server/task/capacity.h"
#include "server/task/snapshot.h"

namespace gild {

class Sessions {
 public:
  using Name = std::pair<std::string, std::string>;  // its principal's, and its own

  struct Bounds {
    size_t sessions = kSessionsMax;  // that live; and as many that are not yet gone
    int64_t idle_ns = kSessionIdleNsDefault;
  };

  class Session {
   public:
    uint64_t number() const { return number_; }  // never reused
    int slot = -1;                               // that has its globals; -1: none yet

   private:
    friend class Sessions;
    Name name_;
    uint64_t number_ = 0;
    uint64_t tasks_ = 0;
    int active_ = 0;
    int64_t last_used_ns_ = 0;
    std::string interpreter_;             // that its last task ran in; empty: none has yet
    std::list<Session*>::iterator idle_;  // its place in idle_, while no task is active
  };

  struct Forgotten {
    uint64_t number;
    int slot;  // -1: no interpreter has heard of it
  };

  explicit Sessions(Bounds bounds) : bounds_(bounds) {}

  // Null: no such session lives.
  const Session* Find(const Name& name) const;
  // For a new one: there is, or an idle one can make it.
  bool HasRoom() const;
  // A task of it was accepted; the session lives and stays where it is until the task's End at least. `forgotten`: who
  // had to make room. REQUIRES: it lives, or there is room.
  Session* Begin(const Name& name, int64_t now_ns, std::optional<Forgotten>* forgotten);
  // One of its tasks has ended; `interpreter`: that it ran in, empty when it never began. True: it ran without the
  // globals that tasks before it had left, as their interpreter was replaced. Told once.
  bool End(Session* session, const std::string& interpreter, int64_t now_ns);

  // The next that has been idle for too long.
  std::optional<Forgotten> ForgetIdle(int64_t now_ns);
  // The slot's interpreter is replaced for another principal: its sessions have none until their next task is placed.
  // Takes a look at all.
  void LeaveSlot(int slot);
  // So many of those forgotten that had a slot are gone.
  void Gone(size_t count) { going_ -= count; }

  SessionsSnapshot Snapshot(int64_t now_ns) const;

 private:
  Forgotten Forget(Session* session);

  const Bounds bounds_;
  std::unordered_map<Name, Session, absl::Hash<Name>> sessions_;
  std::list<Session*> idle_;  // those without active tasks, the longest idle first
  size_t going_ = 0;
  uint64_t last_number_ = 0;
  uint64_t forgotten_idle_ = 0;
  uint64_t forgotten_full_ = 0;
};

}  // namespace gild
