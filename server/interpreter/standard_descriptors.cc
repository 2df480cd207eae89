#include "server/interpreter/standard_descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gild {

StandardDescriptors::StandardDescriptors() {
  for (int i = 0; i < kStandardDescriptors; ++i) lead_to_[i] = LeadsTo(i);
}

bool StandardDescriptors::Reopen() const {
  // Who opens something meanwhile, and not this, has the number from then on.
  for (int i = 0; i < kStandardDescriptors; ++i) {
    if (LeadsTo(i) != Place{}) continue;
    // The lowest number that is free; inherited by programs, as the standard ones are.
    if (const int opened = open("/dev/null", O_RDWR); opened >= kStandardDescriptors) close(opened);
  }
  for (int i = 0; i < kStandardDescriptors; ++i) {
    if (LeadsTo(i) != lead_to_[i]) return false;
  }
  return true;
}

StandardDescriptors::Place StandardDescriptors::LeadsTo(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return {};
  return {.device = status.st_dev, .inode = status.st_ino};
}

}  // namespace gild
