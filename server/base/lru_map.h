// LruMap keeps what was used last: so many entries at most, and the one that was used the longest ago makes room.
//
// Thread-compatible. A Value that Find returned lives until the next Insert. Values are let go of by the caller, when
// the map is whole again: their destructors may call in here.
//
//   LruMap<Parsed> parsed(64);
//   if (Parsed* known = parsed.Find(text)) return *known;
//   const std::optional<Parsed> made_room = parsed.Insert(text, Parse(text));
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "server/base/errors.h"

namespace gild {

template <typename Value>
class LruMap {
 public:
  // REQUIRES: entries_max > 0.
  explicit LruMap(size_t entries_max) : entries_max_(entries_max) { GILD_CHECK(entries_max > 0); }

  // Null: it is not there. Else it has been used now.
  Value* Find(absl::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  // What has made room; or the value itself, where the key is there already.
  [[nodiscard]] std::optional<Value> Insert(std::string key, Value value) {
    if (by_key_.contains(key)) return value;
    std::optional<Value> made_room;
    if (entries_.size() == entries_max_) {
      by_key_.erase(entries_.back().first);
      made_room = std::move(entries_.back().second);
      entries_.pop_back();
    }
    entries_.emplace_front(std::move(key), std::move(value));
    by_key_.emplace(entries_.front().first, entries_.begin());
    return made_room;
  }

  size_t size() const { return entries_.size(); }

 private:
  using Entries = std::list<std::pair<std::string, Value>>;  // the latest first

  const size_t entries_max_;
  Entries entries_;
  absl::flat_hash_map<absl::string_view, typename Entries::iterator> by_key_;
};

}  // namespace gild
