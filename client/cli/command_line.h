// The command line of `gild`: what may be typed, what its help says, and which command then runs.
//
// Main thread only. CLI11 is included in the .cc alone: it is slow to compile. Bad usage is one line, a hint and
// exit 2.
//
//   int main(int argc, char** argv) { return gild::cli::Main(argc, argv); }
#pragma once

namespace gild::cli {

int Main(int argc, const char* const* argv);

}  // namespace gild::cli
