#include "client/cli/units.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace gild::cli {
namespace {

// "1.5s" -> 1.5 and "s". Digits with at most one point; no sign, no exponent, no space but one before the unit.
std::optional<double> SplitNumber(const std::string& text, std::string* unit) {
  size_t end = text.find_first_not_of("0123456789.");
  if (end == std::string::npos) end = text.size();
  const std::string digits = text.substr(0, end);
  double number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  *unit = text.substr(end);
  if (unit->size() > 1 && unit->front() == ' ') unit->erase(0, 1);
  return number;
}

}  // namespace

std::optional<absl::Duration> ParseDuration(const std::string& text) {
  absl::Duration duration;
  const bool has_sign = !text.empty() && (text.front() == '+' || text.front() == '-');
  if (has_sign || !absl::ParseDuration(text, &duration)) return std::nullopt;
  // The wire's Duration ends at 10 000 years; nobody means more than one.
  if (duration < absl::Nanoseconds(1) || duration > absl::Hours(24 * 366)) return std::nullopt;
  return duration;
}

std::optional<uint64_t> ParseSize(const std::string& text) {
  std::string unit;
  const std::optional<double> number = SplitNumber(text, &unit);
  if (!number) return std::nullopt;
  static constexpr struct {
    const char* name;
    double bytes;
  } kUnits[] = {{"", 1},
                {"B", 1},
                {"kB", 1e3},
                {"KB", 1e3},
                {"MB", 1e6},
                {"GB", 1e9},
                {"K", 1024},
                {"k", 1024},
                {"M", 1048576},
                {"G", 1073741824},
                {"KiB", 1024},
                {"MiB", 1048576},
                {"GiB", 1073741824},
                {"TiB", 1099511627776.0}};
  for (const auto& candidate : kUnits) {
    if (unit != candidate.name) continue;
    const double bytes = *number * candidate.bytes;
    if (bytes < 1 || bytes > 1e15 || bytes != std::floor(bytes)) return std::nullopt;
    return static_cast<uint64_t>(bytes);
  }
  return std::nullopt;
}

std::string TimeText(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds == 0) return "0ms";
  if (seconds < 0.00095) return absl::StrFormat("%.2fms", seconds * 1e3);
  if (seconds < 0.0995) return absl::StrFormat("%.1fms", seconds * 1e3);
  if (seconds < 0.9995) return absl::StrFormat("%.0fms", seconds * 1e3);
  if (seconds < 9.995) return absl::StrFormat("%.2fs", seconds);
  if (seconds < 99.95) return absl::StrFormat("%.1fs", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  return absl::StrFormat("%dh%02dm", whole / 3600, whole % 3600 / 60);
}

std::string SizeText(uint64_t bytes) {
  static constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kNames)) {
    size /= 1024;
    ++unit;
  }
  return size == std::floor(size) ? absl::StrFormat("%.0f %s", size, kNames[unit])
                                  : absl::StrFormat("%.1f %s", size, kNames[unit]);
}

std::string ExactSeconds(absl::Duration duration) {
  const bool negative = duration < absl::ZeroDuration();
  if (negative) duration = -duration;
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  std::string fraction = absl::StrFormat("%09d", absl::ToInt64Nanoseconds(duration));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return absl::StrCat(negative ? "-" : "", seconds, fraction.empty() ? "" : ".", fraction, "s");
}

std::string PercentText(double share) { return absl::StrFormat("%.0f%%", 100 * share); }

std::string TimesText(double factor) {
  if (factor < 9.995) return absl::StrFormat("%.2fx", factor);
  return factor < 99.95 ? absl::StrFormat("%.1fx", factor) : absl::StrFormat("%.0fx", factor);
}

std::string OptionSize(uint64_t bytes) {
  if (bytes % (1 << 30) == 0) return absl::StrCat(bytes >> 30, "GiB");
  if (bytes % (1 << 20) == 0) return absl::StrCat(bytes >> 20, "MiB");
  if (bytes % (1 << 10) == 0) return absl::StrCat(bytes >> 10, "KiB");
  return absl::StrCat(bytes);
}

}  // namespace gild::cli
