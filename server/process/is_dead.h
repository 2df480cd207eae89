// Whether a process is over, for those who may not reap it.
#pragma once

namespace gild {

// It is no process any more, or one that nobody has waited for yet, or none of its threads will get to do anything:
// beside thousands of others they take their time to end. Any thread.
bool IsDead(int pid);

}  // namespace gild
