// Numbers with their units, in and out: durations (`500ms`, `5s`, `2m`), sizes (`256MiB`) and how both are printed.
//
// Pure functions: any thread.
//
//   std::optional<absl::Duration> limit = ParseDuration("1.5s");
//   SizeText(268435456) == "256 MiB";  TimeText(absl::Milliseconds(1240)) == "1.24s"
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace gild::cli {

// Positive numbers, each with one of ns, us, ms, s, m, h: `1.5s`, `1h30m`. A bare number, a sign and zero are refused:
// nobody can tell what they were meant to be.
std::optional<absl::Duration> ParseDuration(const std::string& text);

// A positive whole number of B, kB, MB, GB (thousands) or KiB, MiB, GiB (1024); without a unit, bytes. A fraction may
// come before a unit: `1.5GiB`.
std::optional<uint64_t> ParseSize(const std::string& text);

// Three figures for people: "0.4ms", "62.1ms", "1.24s", "38s", "2m13s", "2h13m".
std::string TimeText(absl::Duration duration);

// "87%".
std::string PercentText(double share);

// How many times as much: "0.98x", "12.3x", "120x".
std::string TimesText(double factor);

// "512 B", "1.5 KiB", "256 MiB".
std::string SizeText(uint64_t bytes);

// Exact, for options and JSON: "1.5s", "0.000012s"; and, for options only, "256MiB" where the number is whole.
std::string ExactSeconds(absl::Duration duration);
std::string OptionSize(uint64_t bytes);

}  // namespace gild::cli
