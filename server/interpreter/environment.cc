#include "server/interpreter/environment.h"

#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace gild {

Environment::Environment() {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) variables_.emplace_back(*entry);
  tzset();
  zone_ = CurrentZone();
}

void Environment::PutBack() const {
  if (!VariablesAreTheSame()) {
    clearenv();
    for (const std::string& entry : variables_) {
      const size_t equals = entry.find('=');
      if (equals == std::string::npos) continue;
      // Not putenv, which would hand out our own copy.
      (void)setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, /*overwrite=*/1);
    }
  }
  // Somebody may have set TZ, and removed it again.
  if (CurrentZone() != zone_) tzset();
}

bool Environment::VariablesAreTheSame() const {
  if (environ == nullptr) return variables_.empty();
  size_t same = 0;
  while (same < variables_.size() && environ[same] != nullptr && variables_[same] == environ[same]) ++same;
  return same == variables_.size() && environ[same] == nullptr;
}

Environment::Zone Environment::CurrentZone() {
  return {.west_s = timezone, .summer = daylight, .name = tzname[0], .summer_name = tzname[1]};
}

}  // namespace gild
