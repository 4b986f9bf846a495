// SPDX-License-Identifier: Apache-2.0
// What an endpoint sends in one turn: bytes of its own, and between them payloads that lie where
// they were read to until the turn has ended.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/uio.h>

namespace cc::proxy {

class Outgoing {
  public:
    std::string& own() { return own_; }
    // Refers to the payload if it lies in `lent`, and is worth a slice of its own in the write.
    void AppendPayload(std::string_view payload, std::string_view lent) {
        if (payload.size() < kWorthASlice || !Contains(lent, payload)) {
            own_.append(payload);
            return;
        }
        lent_.push_back({own_.size(), payload});
        lent_size_ += payload.size();
    }
    size_t size() const { return own_.size() + lent_size_; }
    bool empty() const { return size() == 0; }
    // Valid until something else is called.
    std::vector<iovec> Slices() const {
        std::vector<iovec> slices;
        slices.reserve(2 * lent_.size() + 1);
        size_t begin = 0;
        for (const auto& [at, payload] : lent_) {
            Add(slices, std::string_view(own_).substr(begin, at - begin));
            Add(slices, payload);
            begin = at;
        }
        Add(slices, std::string_view(own_).substr(begin));
        return slices;
    }

  private:
    // Below, copying is cheaper than the kernel's going through one more slice.
    static constexpr size_t kWorthASlice = 4096;

    static bool Contains(std::string_view whole, std::string_view part) {
        constexpr std::less_equal<> before;  // also of pointers into different objects
        return before(whole.data(), part.data()) &&
               before(part.data() + part.size(), whole.data() + whole.size());
    }
    static void Add(std::vector<iovec>& slices, std::string_view bytes) {
        if (!bytes.empty()) slices.push_back({const_cast<char*>(bytes.data()), bytes.size()});
    }

    struct Lent {
        size_t at;  // of the own bytes that go before
        std::string_view payload;
    };
    std::string own_;
    std::vector<Lent> lent_;
    size_t lent_size_ = 0;
};

}  // namespace cc::proxy
