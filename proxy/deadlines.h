// SPDX-License-Identifier: Apache-2.0
// Everything that shall happen at a time, in one ordered table: the router has one clock, and a
// test or fuzzer can turn it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace cc::proxy {

class Deadlines {
  public:
    using Time = std::chrono::milliseconds;
    using Action = std::function<void()>;
    using Key = std::pair<Time, uint64_t>;

    Key Add(Time when, Action action) {
        const Key key{when, ++last_};
        actions_.emplace(key, std::move(action));
        return key;
    }
    void Cancel(const Key& key) { actions_.erase(key); }
    std::optional<Time> Next() const {
        if (actions_.empty()) return std::nullopt;
        return actions_.begin()->first.first;
    }
    // Takes out one action that is due at `now`; nothing when none is.
    Action TakeDue(Time now) {
        if (actions_.empty() || actions_.begin()->first.first > now) return nullptr;
        Action action = std::move(actions_.begin()->second);
        actions_.erase(actions_.begin());
        return action;
    }

  private:
    std::map<Key, Action> actions_;
    uint64_t last_ = 0;
};

// One deadline of one owner, cancelled when the owner goes.
class Deadline {
  public:
    explicit Deadline(Deadlines& all) : all_(all) {}
    ~Deadline() { Cancel(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    void Set(Deadlines::Time when, Deadlines::Action action) {
        Cancel();
        key_ = all_.Add(when, std::move(action));
    }
    // Also after its action has run, until Cancel().
    bool set() const { return key_.has_value(); }
    void Cancel() {
        if (key_) all_.Cancel(*key_);
        key_.reset();
    }

  private:
    Deadlines& all_;
    std::optional<Deadlines::Key> key_;  // may name an action that has run: cancelling is no harm
};

}  // namespace cc::proxy
