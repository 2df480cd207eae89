// What the fuzzers begin with: messages as honest children and clients send them.
#pragma once

#include <string>
#include <vector>

// Of the target that it is linked with.
std::vector<std::string> PlausibleInputs();
