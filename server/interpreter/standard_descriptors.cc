#include "server/interpreter/standard_descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gild {
namespace {

// The lowest number that is free; it is inherited by programs, as the standard ones are.
int OpenNull() { return open("/dev/null", O_RDWR); }

}  // namespace

StandardDescriptors::StandardDescriptors() {
  for (int i = 0; i < kCount; ++i) lead_to_[i] = LeadsTo(i);
}

bool StandardDescriptors::Reopen() const {
  // Who opens something meanwhile, and not this, has the number from then on.
  for (int i = 0; i < kCount; ++i) {
    if (LeadsTo(i) != Place{}) continue;
    if (const int opened = OpenNull(); opened >= kCount) close(opened);
  }
  for (int i = 0; i < kCount; ++i) {
    if (LeadsTo(i) != lead_to_[i]) return false;
  }
  return true;
}

void StandardDescriptors::PutBack() const {
  if (Reopen()) return;
  const int null = OpenNull();
  if (null < 0) return;
  for (int i = 0; i < kCount; ++i) {
    if (LeadsTo(i) != lead_to_[i]) (void)dup2(null, i);
  }
  if (null >= kCount) close(null);
}

StandardDescriptors::Place StandardDescriptors::LeadsTo(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return {};
  return {.device = status.st_dev, .inode = status.st_ino};
}

}  // namespace gild
