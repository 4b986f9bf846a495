// SPDX-License-Identifier: Apache-2.0
// A measurement that cannot be made ends the program: there is nobody to hand an error to.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace cc::bench {

[[noreturn]] inline void Die(std::string_view why) {
    std::fprintf(stderr, "hub-load: %.*s\n", static_cast<int>(why.size()), why.data());
    std::exit(1);
}

template <class T>
T Must(Result<T> result) {
    if (!result) Die(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// The result of a system call.
template <class T>
T Must(T result, std::string_view what) {
    if (result < 0) Die(FailErrno(what).value().message);
    return result;
}

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace cc::bench
