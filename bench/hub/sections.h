// SPDX-License-Identifier: Apache-2.0
// What is measured, a section each; each prints a table in Markdown to standard output.
#pragma once

#include <string>

namespace cc::bench {

struct Setting {
    std::string programs;   // where cc-proxy and cc-shim are
    std::string directory;  // for sockets
    double seconds = 1;     // of each load
    int rounds = 3;         // of each load; the median counts

    std::string proxy() const { return programs + "/cc-proxy"; }
    std::string shim() const { return programs + "/cc-shim"; }
};

void MeasureStreams(const Setting& setting);   // output and input of one process
void MeasurePing(const Setting& setting);      // round trips of a command
void MeasureFairness(const Setting& setting);  // many busy VMs; a stopped reader
void MeasureMemory(const Setting& setting);    // idle, with many VMs, and afterwards
void MeasureRounds(const Setting& setting);    // connect, exec, exit, again and again
void MeasureShim(const Setting& setting);      // cc-shim's memory and start

}  // namespace cc::bench
