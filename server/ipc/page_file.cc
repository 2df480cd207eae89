#include "server/ipc/page_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

#include "server/base/clock.h"
#include "server/base/errors.h"

namespace gild {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// A row that printed more than this gives its memory back.
constexpr uint64_t kOutputBytesKept = 64 << 10;
// A busy interpreter lets go of its lock now and then, hardly more often than this in a row.
constexpr int kReadsMax = 8;
constexpr uint64_t kCountMax = uint64_t{1} << 62;

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

uint64_t SaturatingAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

}  // namespace

void AddTo(LockUsage* sum, const LockUsage& more) {
  sum->wait_ns = SaturatingAdd(sum->wait_ns, more.wait_ns);
  sum->hold_ns = SaturatingAdd(sum->hold_ns, more.hold_ns);
  sum->takes = SaturatingAdd(sum->takes, more.takes);
  sum->contended_takes = SaturatingAdd(sum->contended_takes, more.contended_takes);
  sum->forced_releases = SaturatingAdd(sum->forced_releases, more.forced_releases);
  sum->longest_hold_ns = std::max(sum->longest_hold_ns, more.longest_hold_ns);
}

absl::StatusOr<std::unique_ptr<PageFile>> PageFile::Create(uint32_t rows) {
  GILD_CHECK(rows > 0 && rows <= static_cast<uint32_t>(kThreadsMax + kLoopTasksMax));
  const PageLayout layout{rows};
  UniqueFd fd(memfd_create("gild-page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create");
  if (ftruncate(fd.get(), layout.FileBytes()) != 0) return ErrnoStatus(errno, "size the page");
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "seal the page");
  }
  void* const table = mmap(nullptr, layout.TableBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (table == MAP_FAILED) return ErrnoStatus(errno, "map the page");
  // Fresh shared memory is zeros, which is what every field starts with.
  static_cast<PageHeader*>(table)->rows.store(rows, kRelaxed);
  return std::unique_ptr<PageFile>(new PageFile(std::move(fd), layout, table, NowNs()));
}

PageFile::PageFile(UniqueFd fd, PageLayout layout, void* table, int64_t made_ns)
    : fd_(std::move(fd)), layout_(layout), table_(table), made_ns_(made_ns) {}

PageFile::~PageFile() { munmap(table_, layout_.TableBytes()); }

absl::StatusOr<UniqueFd> PageFile::Duplicate() const {
  UniqueFd copy(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, "duplicate the page's descriptor");
  return copy;
}

Row* PageFile::row(uint32_t index) const {
  GILD_CHECK(index < layout_.rows);
  return reinterpret_cast<Row*>(static_cast<char*>(table_) + layout_.RowOffset(index));
}

int64_t PageFile::ClampNs(int64_t duration_ns, int64_t now_ns) const {
  return std::clamp<int64_t>(duration_ns, 0, std::max<int64_t>(0, now_ns - made_ns_));
}

int64_t PageFile::SinceNs(int64_t since_ns, int64_t now_ns) const {
  if (since_ns <= 0 || since_ns > now_ns) return 0;
  return ClampNs(now_ns - since_ns, now_ns);
}

LockUsage PageFile::Clamped(const LockCounters& counters, int64_t now_ns) const {
  const auto count = [](const std::atomic<uint64_t>& value) { return std::min(value.load(kRelaxed), kCountMax); };
  // Many threads wait at once, so that a sum of waits may be longer than the page is old.
  const int64_t wait_ns_max = std::min<int64_t>(std::max<int64_t>(0, now_ns - made_ns_), int64_t{1} << 50) << 12;
  return {.wait_ns = std::clamp<int64_t>(counters.wait_ns.load(kRelaxed), 0, wait_ns_max),
          // Acquire: InterpreterLock looks at the holder once more after this.
          .hold_ns = ClampNs(counters.hold_ns.load(std::memory_order_acquire), now_ns),
          .takes = count(counters.takes),
          .contended_takes = count(counters.contended_takes),
          .forced_releases = count(counters.forced_releases),
          .longest_hold_ns = ClampNs(counters.longest_hold_ns.load(kRelaxed), now_ns)};
}

bool PageFile::meter_available() const { return header()->meter_available.load(kRelaxed) != 0; }

LockUsage PageFile::InterpreterLock(int64_t now_ns) const {
  // A release between the two reads would count its hold twice, or not at all: read again.
  LockUsage usage;
  std::optional<Holder> current;
  for (int i = 0; i < kReadsMax; ++i) {
    const int64_t since_ns = header()->holder_since_ns.load(std::memory_order_acquire);
    usage = Clamped(header()->lock, now_ns);
    current = holder(now_ns);
    if (header()->holder_since_ns.load(kRelaxed) == since_ns) break;
  }
  if (current) {
    usage.hold_ns = ClampNs(SaturatingAdd(usage.hold_ns, current->held_ns), now_ns);
    usage.longest_hold_ns = std::max(usage.longest_hold_ns, current->held_ns);
  }
  for (uint32_t i = 0; i < layout_.rows; ++i) {
    usage.wait_ns = SaturatingAdd(usage.wait_ns, SinceNs(row(i)->waiting_since_ns.load(kRelaxed), now_ns));
  }
  return usage;
}

int PageFile::waiters() const {
  // More than the rows: a task's own threads wait too.
  return std::clamp(header()->waiters.load(kRelaxed), 0, 1 << 16);
}

std::optional<PageFile::Holder> PageFile::holder(int64_t now_ns) const {
  const int64_t since_ns = header()->holder_since_ns.load(kRelaxed);
  if (since_ns == 0) return std::nullopt;
  return Holder{.serial = header()->holder_serial.load(kRelaxed), .held_ns = SinceNs(since_ns, now_ns)};
}

int64_t PageFile::LongestWaitNs(int64_t now_ns) const {
  int64_t longest_ns = 0;
  for (uint32_t i = 0; i < layout_.rows; ++i) {
    longest_ns = std::max(longest_ns, SinceNs(row(i)->waiting_since_ns.load(kRelaxed), now_ns));
  }
  return longest_ns;
}

PageFile::DeathNote PageFile::death_note() const {
  const uint32_t death = header()->death.load(kRelaxed);
  if (death > static_cast<uint32_t>(Death::kSentSignal)) return {};
  return {.death = static_cast<Death>(death),
          .detail = header()->death_detail.load(kRelaxed),
          .serial = header()->death_serial.load(kRelaxed)};
}

void PageFile::OfferTask(uint32_t index, uint64_t serial) { Offer(row(index), serial); }

bool PageFile::TakeBack(uint32_t index, uint64_t serial) { return Take(row(index), serial); }

std::optional<int64_t> PageFile::BeginNs(uint32_t index, uint64_t serial) const {
  const Row* const r = row(index);
  // begin_ns is written last.
  const int64_t begin_ns = r->begin_ns.load(std::memory_order_acquire);
  if (begin_ns == 0 || r->serial.load(kRelaxed) != serial) return std::nullopt;
  return begin_ns;
}

int64_t PageFile::UnknownPeakBytes(uint32_t index) const { return row(index)->unknown_peak_bytes.load(kRelaxed); }

int64_t PageFile::ProcessCpuAtBeginNs(uint32_t index) const {
  return std::max<int64_t>(0, row(index)->process_cpu_at_begin_ns.load(kRelaxed));
}

LockUsage PageFile::RowLock(uint32_t index, uint64_t serial, int64_t now_ns) const {
  LockUsage usage = Clamped(row(index)->lock, now_ns);
  const std::optional<Holder> current = holder(now_ns);
  if (current && current->serial == serial) {
    usage.hold_ns = ClampNs(SaturatingAdd(usage.hold_ns, current->held_ns), now_ns);
    usage.longest_hold_ns = std::max(usage.longest_hold_ns, current->held_ns);
  }
  usage.wait_ns = SaturatingAdd(usage.wait_ns, SinceNs(row(index)->waiting_since_ns.load(kRelaxed), now_ns));
  return usage;
}

std::string PageFile::ReadBytes(size_t offset, uint64_t bytes) const {
  std::string read_bytes(bytes, '\0');
  size_t done = 0;
  while (done < read_bytes.size()) {
    const ssize_t count = pread(fd_.get(), read_bytes.data() + done, read_bytes.size() - done, offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += count;
  }
  read_bytes.resize(done);
  return read_bytes;
}

PageFile::Output PageFile::ReadOutput(uint32_t index, int64_t bytes_max) const {
  const Row* const r = row(index);
  const uint64_t limit = std::clamp<int64_t>(bytes_max, 0, kOutputBytesMax);
  const uint64_t out_bytes = r->out_bytes.load(std::memory_order_acquire);
  const uint64_t err_bytes = r->err_bytes.load(std::memory_order_acquire);
  return {.out = ReadBytes(layout_.OutOffset(index), std::min(out_bytes, limit)),
          .err = ReadBytes(layout_.ErrOffset(index), std::min(err_bytes, limit)),
          .out_truncated = out_bytes > limit || r->out_truncated.load(kRelaxed) != 0,
          .err_truncated = err_bytes > limit || r->err_truncated.load(kRelaxed) != 0};
}

Glimpse PageFile::Peek(uint32_t index, int64_t bytes_max, OutputPoint after) const {
  const Row* const r = row(index);
  const uint64_t limit = std::clamp<int64_t>(bytes_max, 0, kOutputBytesMax);
  uint64_t room = kWatchReplyBytesMax;
  const auto read = [&](size_t offset, const std::atomic<uint64_t>& length, uint64_t from) {
    const uint64_t to = std::min(length.load(std::memory_order_acquire), limit);
    if (to <= from) return std::string();  // nothing new; or a length that went back
    std::string bytes = ReadBytes(offset + from, std::min(to - from, room));
    room -= bytes.size();
    return bytes;
  };
  Glimpse glimpse;
  glimpse.out = read(layout_.OutOffset(index), r->out_bytes, after.out_bytes);
  glimpse.err = read(layout_.ErrOffset(index), r->err_bytes, after.err_bytes);
  glimpse.progress = ReadProgress(index);
  return glimpse;
}

std::optional<Progress> PageFile::ReadProgress(uint32_t index) const {
  const Row* const r = row(index);
  for (int i = 0; i < kReadsMax; ++i) {
    // All in one order, here and where it is written: rare enough, and the thread sanitizer knows no fences.
    const uint64_t changes = r->progress_changes.load();
    if (changes == 0) return std::nullopt;
    const Progress progress{.done = r->progress_done.load(), .total = r->progress_total.load()};
    if (changes % 2 == 0 && r->progress_changes.load() == changes) return progress;
  }
  return std::nullopt;
}

void PageFile::Clear(uint32_t index) {
  Row* const r = row(index);
  const bool large = r->out_bytes.load(kRelaxed) > kOutputBytesKept || r->err_bytes.load(kRelaxed) > kOutputBytesKept;
  r->begin_ns.store(0, kRelaxed);
  r->serial.store(0, kRelaxed);
  r->process_cpu_at_begin_ns.store(0, kRelaxed);
  r->unknown_peak_bytes.store(0, kRelaxed);
  r->lock.wait_ns.store(0, kRelaxed);
  r->lock.hold_ns.store(0, kRelaxed);
  r->lock.takes.store(0, kRelaxed);
  r->lock.contended_takes.store(0, kRelaxed);
  r->lock.forced_releases.store(0, kRelaxed);
  r->lock.longest_hold_ns.store(0, kRelaxed);
  r->waiting_since_ns.store(0, kRelaxed);
  r->waiting_threads.store(0, kRelaxed);
  r->out_bytes.store(0, kRelaxed);
  r->err_bytes.store(0, kRelaxed);
  r->out_truncated.store(0, kRelaxed);
  r->err_truncated.store(0, kRelaxed);
  r->progress_changes.store(0, kRelaxed);
  r->progress_done.store(0, kRelaxed);
  r->progress_total.store(0, kRelaxed);
  if (!large) return;
  // The whole of the row's output: how much there really is, is the child's word. A failure costs memory, nothing else.
  (void)!fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, layout_.OutOffset(index),
                   2 * kOutputBytesMax);
}

}  // namespace gild
