// "did you mean": the nearest of the known words, or nothing when none is near.
//
// A pure function: any thread. Near is at most two edits (a swap of neighbours is one), and fewer for short words, so
// that a wrong guess is rarer than none.
//
//   Suggest("--timout", {"--timeout", "--tag"}) == "--timeout"
#pragma once

#include <string>
#include <vector>

namespace gild::cli {

std::string Suggest(const std::string& word, const std::vector<std::string>& known);

}  // namespace gild::cli
