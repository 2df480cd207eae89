#include "server/interpreter/residue.h"

#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "server/base/errors.h"
#include "server/interpreter/process_limits.h"
#include "server/interpreter/settings.h"

namespace gild {
namespace {

// How many are open; before Linux 6.2 the lowest number that is free, which tells most of it. `folder`: /proc/self/fd.
int64_t Descriptors(int folder) {
  struct stat status;
  if (fstat(folder, &status) == 0 && S_ISDIR(status.st_mode) && status.st_size > 0) return status.st_size;
  const int lowest = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (lowest >= 0) close(lowest);
  return lowest;
}

// The inode; 0: nowhere.
ino_t LeadsTo(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// How many files there may still be, and how much all may take; empty: that has no bound.
std::optional<Residue::Room> RoomIn(int folder) {
  struct statfs status;
  if (fstatfs(folder, &status) != 0 || status.f_files == 0) return std::nullopt;
  return Residue::Room{.free_files = status.f_ffree, .blocks = status.f_blocks};
}

sigset_t Mask() {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return mask;
}

}  // namespace

Fullness FullnessOf(const char* path) {
  struct statfs status;
  if (statfs(path, &status) != 0) return {};
  return {.bytes = status.f_blocks > 0 && status.f_bfree == 0, .files = status.f_files > 0 && status.f_ffree == 0};
}

void EndIfFull(const Fullness& full, internal::TaskEnded* ended) {
  if (!full.bytes && !full.files) return;
  switch (ended->ending()) {
    case internal::CODE_SUCCEEDED:
    case internal::CODE_RAISED:
    case internal::CODE_EXITED:
      ended->set_ending(internal::CODE_SCRATCH_LIMIT);
      ended->set_scratch_files(full.files);
      ended->clear_result();
      ended->clear_exit_code();
      return;
    case internal::CODE_UNSPECIFIED:
    case internal::CODE_MEMORY_LIMIT:
    case internal::CODE_OUTPUT_LIMIT:
    case internal::CODE_RESULT_LIMIT:
    case internal::CODE_STOPPED:
    case internal::CODE_SCRATCH_LIMIT:
    case internal::CodeEnding_INT_MIN_SENTINEL_DO_NOT_USE_:
    case internal::CodeEnding_INT_MAX_SENTINEL_DO_NOT_USE_: return;
  }
}

Residue::Residue(const Scratch* scratch, Options options) : scratch_(scratch), options_(options), mask_(Mask()) {
  prctl(PR_GET_NAME, name_.data());
  locale_ = setlocale(LC_ALL, nullptr);
  sigaltstack(nullptr, &signal_stack_);
  resident_bytes_ = ResidentMemoryBytes().value_or(0);  // which opens a file for good
  // Kept open: to look for them by name each time costs more than to ask.
  own_descriptors_.reset(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  scratch_folder_.reset(open(scratch_->path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  descriptors_ = Descriptors(own_descriptors_.get());
  for (size_t i = 0; i < lead_to_.size(); ++i) lead_to_[i] = LeadsTo(static_cast<int>(i));
  room_ = RoomIn(scratch_folder_.get());
  for (const Setting setting : {Setting::kPlace, Setting::kLocale, Setting::kDescriptors}) (void)WasSet(setting);
}

void Residue::Look(std::optional<int64_t> peak_bytes, internal::TaskEnded* ended) {
  PutBack();
  if (SignalsChanged()) ended->add_residue(internal::RESIDUE_SIGNALS);
  if (LimitsChanged()) ended->add_residue(internal::RESIDUE_LIMITS);
  if (DescriptorsChanged()) ended->add_residue(internal::RESIDUE_DESCRIPTORS);
  if (FilesLeft(ended)) ended->add_residue(internal::RESIDUE_FILES);
  if (HasGrown(peak_bytes)) ended->set_spent(true);
}

void Residue::PutBack() const {
  fesetenv(FE_DFL_ENV);
  if (WasSet(Setting::kLocale)) {
    setlocale(LC_ALL, locale_.c_str());
    (void)WasSet(Setting::kLocale);  // by us
  }
  if (!WasSet(Setting::kPlace)) return;
  umask(scratch_->umask);
  struct stat status;
  if (options_.own_scratch && stat(scratch_->path.c_str(), &status) == 0 && (status.st_mode & 0777) != 0700) {
    (void)chmod(scratch_->path.c_str(), 0700);
  }
  (void)!chdir(scratch_->path.c_str());
  prctl(PR_SET_NAME, name_.data());
  prctl(PR_SET_TIMERSLACK, 0);  // the default
  sigaltstack(&signal_stack_, nullptr);
  (void)WasSet(Setting::kPlace);
}

bool Residue::DescriptorsChanged() const {
  if (Descriptors(own_descriptors_.get()) != descriptors_) return true;
  // As many, but others?
  if (!WasSet(Setting::kDescriptors)) return false;
  for (size_t i = 0; i < lead_to_.size(); ++i) {
    if (LeadsTo(static_cast<int>(i)) != lead_to_[i]) return true;
  }
  return false;
}

bool Residue::SignalsChanged() const { return !SameMask(Mask(), mask_) || settings_.HandlersChanged(); }

bool Residue::LimitsChanged() const { return !CpuLimitRests() || settings_.LimitsChanged(); }

bool Residue::FilesLeft(internal::TaskEnded* ended) const {
  if (!options_.own_scratch || !room_ || RoomIn(scratch_folder_.get()) == room_) return false;
  EndIfFull(FullnessOf(scratch_->path.c_str()), ended);
  scratch_->Empty();
  // What is still open, or mapped, holds its place without a name. And somebody may have asked for a quota.
  return RoomIn(scratch_folder_.get()) != room_;
}

bool Residue::HasGrown(std::optional<int64_t> peak_bytes) const {
  if (options_.growth_bytes_max == 0 || peak_bytes.value_or(0) <= resident_bytes_ + options_.growth_bytes_max) {
    return false;
  }
  return ResidentMemoryBytes().value_or(0) > resident_bytes_ + options_.growth_bytes_max;
}

}  // namespace gild
