// Settings of the process: which of them somebody has set since they were last asked about, so that nobody has to look
// who would find them as they were (residue.h). gild-interpreter defines the functions of libc that set them.
//
// Any thread. What is set past libc, by a system call's number, is not seen.
#pragma once

namespace gild {

enum class Setting {
  kPlace,     // working directory, umask, some file's mode, name, timer slack, signal stack
  kHandlers,  // of signals
  kTimers,    // interval timers: setitimer(2)
  kLimits,    // on resources
  kLocale,
  kDescriptors,          // one of the first kFirstDescriptors was closed, or given another meaning
  kStandardDescriptors,  // likewise
};
inline constexpr int kFirstDescriptors = 16;
inline constexpr int kStandardDescriptors = 3;

// Since it was asked last.
bool WasSet(Setting setting);

}  // namespace gild
