#include "server/interpreter/process_settings.h"

#include <cstring>

#include "server/interpreter/settings.h"

namespace gild {
namespace {

struct sigaction HandlerOf(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action;
}

bool Same(const struct sigaction& one, const struct sigaction& other) {
  return one.sa_handler == other.sa_handler && one.sa_flags == other.sa_flags && SameMask(one.sa_mask, other.sa_mask);
}

rlimit LimitOf(int resource) {
  rlimit limit{};
  getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
  return limit;
}

}  // namespace

bool SameMask(const sigset_t& one, const sigset_t& other) { return memcmp(&one, &other, _NSIG / 8) == 0; }

ProcessSettings::ProcessSettings() {
  for (int signal = 1; signal < NSIG; ++signal) handlers_[signal] = HandlerOf(signal);
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) limits_[resource] = LimitOf(resource);
  for (const Setting setting : {Setting::kHandlers, Setting::kLimits}) (void)WasSet(setting);
}

bool ProcessSettings::HandlersChanged() const {
  if (!WasSet(Setting::kHandlers)) return false;
  for (int signal = 1; signal < NSIG; ++signal) {
    if (!Same(HandlerOf(signal), handlers_[signal])) return true;
  }
  return false;
}

bool ProcessSettings::LimitsChanged() const {
  if (!WasSet(Setting::kLimits)) return false;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    const rlimit limit = LimitOf(resource);
    if (limit.rlim_cur != limits_[resource].rlim_cur || limit.rlim_max != limits_[resource].rlim_max) return true;
  }
  return false;
}

}  // namespace gild
