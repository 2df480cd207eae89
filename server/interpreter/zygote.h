// The zygote: a warm, single-threaded CPython that never runs user code; slots are forked from it.
//
// It starts Python, calibrates the lock meter, imports what is to be warm, freezes the heap (so that a child's
// collector does not copy it) and then makes slots as the server asks. It ends when the server closes the conversation.
#pragma once

#include <string>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/sandbox/layer.h"

namespace gild {

// `switched_off`: layers that slots and interpreters do without. Returns the process's exit code.
int RunZygote(UniqueFd conversation, const std::vector<std::string>& preload, std::vector<Layer> switched_off);

}  // namespace gild
