// Functions of libc that gild-interpreter defines anew (server/main/interposed.list), and through which all of its code
// passes, CPython's too: each forwards to libc's own.
//
//   extern "C" __attribute__((visibility("default"))) int chdir(const char* path) noexcept {
//     static auto* const real = gild::Real<int(const char*)>("chdir");
//     …
//     return real(path);
//   }
#pragma once

#include <dlfcn.h>

#include "server/base/errors.h"

namespace gild {

// libc's own. `version`: of what is there in several versions, where dlsym would find the oldest.
template <typename Function>
Function* Real(const char* name, const char* version = nullptr) {
  void* const found = version == nullptr ? dlsym(RTLD_NEXT, name) : dlvsym(RTLD_NEXT, name, version);
  GILD_CHECK(found != nullptr);
  return reinterpret_cast<Function*>(found);
}

}  // namespace gild
