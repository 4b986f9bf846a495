// SPDX-License-Identifier: Apache-2.0
#include "bench/hub/awake.h"

#include <sched.h>

#include "bench/hub/must.h"

namespace cc::bench {

Awake::Awake() {
    for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i)
        threads_.emplace_back([this] {
            const sched_param none{};
            Must(::sched_setscheduler(0, SCHED_IDLE, &none), "sched_setscheduler");
            while (!end_.load(std::memory_order_relaxed)) {
            }
        });
}

Awake::~Awake() {
    end_ = true;
    for (auto& thread : threads_)
        thread.join();
}

}  // namespace cc::bench
