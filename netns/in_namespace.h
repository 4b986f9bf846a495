// SPDX-License-Identifier: Apache-2.0
// Making something in another network namespace, such as a socket, which belongs to the one that it
// was made in.
#pragma once

#include <optional>
#include <thread>
#include <type_traits>

#include <sched.h>

#include "base/fd.h"

namespace cc::netns {

// What `make` returns, a Result, or why the namespace could not be entered. The caller stays where
// it is: a thread has a network namespace of its own, and this one ends with it.
template <class Make>
std::invoke_result_t<Make> InNamespace(const Fd& network_namespace, Make&& make) {
    std::optional<std::invoke_result_t<Make>> made;
    std::thread([&] {
        if (::setns(network_namespace.get(), CLONE_NEWNET) < 0)
            made.emplace(FailErrno("entering the network namespace"));
        else
            made.emplace(make());
    }).join();
    return std::move(*made);
}

}  // namespace cc::netns
