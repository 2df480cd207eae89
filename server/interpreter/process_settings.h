// ProcessSettings: whether what all threads of a process share, signals' handlers and limits on resources, is as it was
// before the first task.
//
// Any thread. Looks only where somebody has set it since it was asked last (settings.h).
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include <array>

namespace gild {

// As far as the kernel knows a mask; the rest of it is not filled in.
bool SameMask(const sigset_t& one, const sigset_t& other);

class ProcessSettings {
 public:
  ProcessSettings();

  bool HandlersChanged() const;
  bool LimitsChanged() const;

 private:
  std::array<struct sigaction, NSIG> handlers_{};
  std::array<rlimit, RLIM_NLIMITS> limits_{};
};

}  // namespace gild
