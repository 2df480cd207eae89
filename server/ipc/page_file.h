// PageFile is the server's side of a page (page.h): it makes the sealed file, and reads what the child wrote there.
//
// Thread rule: all of it from any thread, as far as one row has one caller of Clear and ReadOutput at a time. It owns
// the file and a mapping of the table alone; output is read with pread(2), never through a mapping.
// All that comes out has been copied and clamped: durations are neither negative nor longer than the page is old, a
// moment in the future counts as now, and no length goes beyond its limit. It is still the child's word.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/unique_fd.h"
#include "server/ipc/page.h"
#include "server/task/glimpse.h"
#include "server/task/outcome.h"

namespace gild {

class PageFile {
 public:
  // REQUIRES: 0 < rows <= kThreadsMax + kLoopTasksMax.
  static absl::StatusOr<std::unique_ptr<PageFile>> Create(uint32_t rows);
  ~PageFile();
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  // A second descriptor of the file, to hand down.
  absl::StatusOr<UniqueFd> Duplicate() const;
  uint32_t rows() const { return layout_.rows; }

  // ---- the interpreter ----

  bool meter_available() const;
  // The hold and the waits that are going on are counted up to now.
  LockUsage InterpreterLock(int64_t now_ns) const;
  int waiters() const;

  struct Holder {
    uint64_t serial = 0;  // 0: the interpreter itself
    int64_t held_ns = 0;
  };
  std::optional<Holder> holder(int64_t now_ns) const;
  // Of the threads that wait now for a task, how long the first has; 0: none waits.
  int64_t LongestWaitNs(int64_t now_ns) const;

  struct DeathNote {
    Death death = Death::kNone;
    int detail = 0;
    uint64_t serial = 0;
  };
  // Only to be believed after the child's death.
  DeathNote death_note() const;

  // ---- a task ----

  // It lies ready; the child will take it, unless the server takes it back: false, when the child was quicker.
  void OfferTask(uint32_t row, uint64_t serial);
  bool TakeBack(uint32_t row, uint64_t serial);

  // When it began; empty: it has not.
  std::optional<int64_t> BeginNs(uint32_t row, uint64_t serial) const;
  int64_t ProcessCpuAtBeginNs(uint32_t row) const;
  int64_t UnknownPeakBytes(uint32_t row) const;
  // Its hold and its wait that are going on are counted up to now.
  LockUsage RowLock(uint32_t row, uint64_t serial, int64_t now_ns) const;

  struct Output {
    std::string out;
    std::string err;
    bool out_truncated = false;
    bool err_truncated = false;
  };
  Output ReadOutput(uint32_t row, int64_t bytes_max) const;
  // What follows that point, of a stream of `bytes_max` at most. Means nothing when the row is cleared meanwhile.
  Glimpse Peek(uint32_t row, int64_t bytes_max, OutputPoint after) const;
  // What it told last; empty: it never did, or is about to.
  std::optional<Progress> ReadProgress(uint32_t row) const;

  // Makes the row fit for its next task; gives the memory of large output back. Its task has ended.
  void Clear(uint32_t row);

 private:
  PageFile(UniqueFd fd, PageLayout layout, void* table, int64_t made_ns);

  const PageHeader* header() const { return static_cast<const PageHeader*>(table_); }
  Row* row(uint32_t index) const;
  // [0, how old the page is]
  int64_t ClampNs(int64_t duration_ns, int64_t now_ns) const;
  // From then to now; 0 for a moment that is none (0, negative, still to come).
  int64_t SinceNs(int64_t since_ns, int64_t now_ns) const;
  LockUsage Clamped(const LockCounters& counters, int64_t now_ns) const;
  std::string ReadBytes(size_t offset, uint64_t bytes) const;

  const UniqueFd fd_;
  const PageLayout layout_;
  void* const table_;
  const int64_t made_ns_;
};

// Sums that a child's nonsense cannot make overflow.
void AddTo(LockUsage* sum, const LockUsage& more);

}  // namespace gild
