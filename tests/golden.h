// SPDX-License-Identifier: Apache-2.0
// The captured frames of Clear Containers 3.0 (tests/data/golden, see its README).
#pragma once

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/data.h"

namespace cc::test {

struct GoldenFrame {
    std::string name;   // the file's, without ".hex"
    std::string bytes;  // header and payload; empty where the capture is of a closed connection
    bool Has(std::string_view part) const { return name.find(part) != std::string::npos; }
};

inline std::vector<GoldenFrame> GoldenFrames() {
    const std::string directory = TestData("golden");
    std::vector<GoldenFrame> frames;
    const auto files = ListDirectory(directory).value();
    for (const auto& file : files) {
        if (!file.ends_with(".hex")) continue;
        const auto bytes = HexDecode(ReadFile(directory + "/" + file, 1 << 20).value());
        REQUIRE_MESSAGE(bytes, file);
        frames.push_back({file.substr(0, file.size() - 4), *bytes});
    }
    return frames;
}

// The frame whose name begins with this number.
inline std::string Golden(int number) {
    for (const auto& frame : GoldenFrames())
        if (ParseNumber<int>(frame.name.substr(0, 3)) == number) return frame.bytes;
    FAIL("no golden frame ", number);
    return {};
}

}  // namespace cc::test
