// SPDX-License-Identifier: Apache-2.0
// The one error type of the house.
//
// A function that can fail returns Result<T>. The message says what was being done, to what, and
// why it failed, outermost first: "starting the VM: opening /x/vmlinux: No such file or directory".
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace cc {

struct Error {
    std::string message;
    int code = 0;  // errno of the cause; 0 when no system call failed
};

template <class T = void>
using Result = tl::expected<T, Error>;
using Failure = tl::unexpected<Error>;

inline Failure Fail(std::string message, int code = 0) {
    return Failure(Error{std::move(message), code});
}

// "<what>: <text of the errno>".
Failure FailErrno(std::string_view what, int error = errno);

// Puts what was being tried in front of an error's message; leaves success alone.
template <class T>
Result<T> Context(std::string_view what, Result<T> result) {
    if (!result) result.error().message.insert(0, std::string(what) + ": ");
    return result;
}

}  // namespace cc

#define CC_CONCAT_INNER(a, b) a##b
#define CC_CONCAT(a, b) CC_CONCAT_INNER(a, b)

// Returns from the enclosing function with the error, if there is one.
#define CC_TRY(expression)                                      \
    do {                                                        \
        if (auto cc_result = (expression); !cc_result)          \
            return ::cc::Failure(std::move(cc_result.error())); \
    } while (false)

// CC_ASSIGN(auto fd, OpenFile(...)): declares (or assigns) from a Result, or returns its error.
#define CC_ASSIGN(target, expression) \
    CC_ASSIGN_INNER(CC_CONCAT(cc_result_, __LINE__), target, expression)
#define CC_ASSIGN_INNER(temporary, target, expression)                  \
    auto temporary = (expression);                                      \
    if (!temporary) return ::cc::Failure(std::move(temporary.error())); \
    target = std::move(*temporary)
