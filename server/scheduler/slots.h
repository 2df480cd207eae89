// The slots of one lane: what each has room for, whose it is, and which one a task goes to next.
//
// Thread-compatible: all of it under the scheduler's lock. The principals are the scheduler's; one lives as long as a
// slot is its own. Of who waits this sees what their queues say; it moves no task.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/container/btree_set.h"
#include "absl/container/inlined_vector.h"
#include "server/task/slot_kind.h"
#include "server/task/task.h"

namespace gild {

// Somebody who has tasks in a lane, or slots.
struct Principal {
  // For any slot of their kind; by serial: a task that a lane refuses is first again by itself. Among them, until
  // they are met at the front, tasks whose session has got a slot since they came.
  std::array<absl::btree_set<uint64_t>, kSlotKinds> waiting;
  int tasks = 0;  // accepted and not yet ended
  int slots = 0;
};
using Principals = std::map<std::string, Principal>;  // by name

class Slots {
 public:
  // What one interpreter takes at once: tasks on threads, and beside them tasks on its event loop. Where a task will
  // run shows only when its code has returned, so each is placed on a thread.
  struct Capacity {
    int threads = 1;
    int loop_tasks = 0;
    // That may lie ready beside, where all threads are taken and the lane's tasks are short (kAheadNs): the next then
    // begins without a wake-up.
    int ahead = 0;
    // It takes tasks that ask for this kind, and no others.
    SlotKind kind = {};
    // Of the slots of one seat (a core), only one runs tasks at a time. -1: it has one to itself.
    int seat = -1;
  };

  static constexpr Capacity kGone = {.threads = 0, .loop_tasks = 0, .ahead = 0, .kind = {}, .seat = -1};

  struct Slot {
    Capacity capacity = kGone;
    // Placed and not yet ended, whichever interpreter they were placed for.
    int on_threads = 0;
    int on_loop = 0;
    bool narrowed = false;  // to the limits of the task in it, so nothing lies ready behind that
    bool stuck = false;     // a task lay ready there for too long, and none has ended there since
    SlotKind kind;
    int seat = -1;
    Principal* principal = nullptr;     // whose it is; null: nobody has used its interpreter, or it runs one task only
    int64_t idle_since_ns = 0;          // while nothing is in flight
    bool changing_hands = false;        // until the port's `replace` has returned
    uint64_t readies = 0;               // times it was ready: tells a refusal by this interpreter from a predecessor's
    absl::btree_set<uint64_t> waiting;  // tasks of its sessions, by serial
    int sessions = 0;                   // that have their globals here

    int InFlight() const { return on_threads + on_loop; }
    bool HasRoom() const {
      return !changing_hands && on_threads < capacity.threads && InFlight() < capacity.threads + capacity.loop_tasks;
    }
    bool Takes(SlotKind wanted, const Principal* asker) const {
      return kind == wanted && (principal == nullptr || principal == asker);
    }
  };
  using Iterator = std::map<int, Slot>::iterator;
  using Kept = absl::InlinedVector<const Slot*, 4>;

  Iterator begin() { return slots_.begin(); }
  Iterator end() { return slots_.end(); }
  Slot& at(int number) { return slots_.at(number); }
  // It is there from when its lane first speaks of it.
  Slot& operator[](int number) { return slots_[number]; }

  // A task comes into the slot, or leaves it.
  void Enter(Slot* slot, bool narrows);
  void Leave(Slot* slot, bool from_loop);

  // Where a task of the principal goes next that may run in any slot of its kind: to a thread, or to lie ready; end():
  // nowhere. `kept`: slots that it must not take. `run_ns`: what a task of the lane takes on average.
  Iterator Free(const Task& task, const Principal* principal, const Principals& principals, double run_ns,
                const Kept& kept = {});
  // Another's slot that is to become the principal's, which waits for one; end(): none. It may still be busy.
  Iterator ToClaim(SlotKind kind, const Principal& principal, const Principals& principals);
  // Nothing runs in it, nor in another of its seat: it may change hands.
  bool Idle(const Slot& slot) const { return slot.InFlight() == 0 && !SeatTaken(slot); }

  // Tasks that lie ready: they are in a slot, and wait.
  int Ahead() const;
  // Of all that do not share another's seat.
  int Threads() const;

 private:
  bool SeatTaken(const Slot& slot) const;
  // Somebody waits for another slot of this one's seat, which is ready: he would wait for all that lies ready here.
  bool SeatWanted(const Slot& slot, const Principals& principals) const;
  // How many tasks may lie ready in the slot.
  static int AheadMax(const Slot& slot, double run_ns);
  void CountOnSeat(const Slot& slot, int tasks);

  std::map<int, Slot> slots_;   // by number
  std::map<int, int> on_seat_;  // tasks, by seat
};

}  // namespace gild
