// SPDX-License-Identifier: Apache-2.0
// Processes as /proc tells of them, beside what procps makes of the same.
#include "agent/ps.h"

#include <csignal>

#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "protocol/process_list.h"
#include "runtime/ps_options.h"

namespace cc::agent {

namespace {

// What this program of the host says of one process, or nothing where there is none.
std::string Procps(const std::string& options, pid_t pid) {
    FILE* pipe = ::popen(Cat("ps ", options, " -p ", pid, " 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) return {};
    std::string text;
    char part[4096];
    for (size_t got = 0; (got = std::fread(part, 1, sizeof part, pipe)) > 0;)
        text.append(part, got);
    ::pclose(pipe);
    return text;
}

std::string StatOf(pid_t pid) {
    return ReadFile(Cat("/proc/", pid, "/stat"), 4096).value_or("");
}

// A process that sleeps, in a process group of its own.
pid_t StartSleeper() {
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    char name[] = "a sleeper", seconds[] = "1000";
    char* const words[] = {name, seconds, nullptr};
    pid_t pid = 0;
    REQUIRE(::posix_spawn(&pid, "/bin/sleep", nullptr, &attributes, words, environ) == 0);
    ::posix_spawnattr_destroy(&attributes);
    for (int i = 0; i < 500 && StatOf(pid).find("(sleep) S") == std::string::npos; ++i)
        ::usleep(10000);
    return pid;
}

void EndSleeper(pid_t pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

std::string Ours(const std::string& options, pid_t pid, bool threads = false) {
    std::vector<std::string> words;
    for (const auto& word : Split(options, ' '))
        if (!word.empty()) words.push_back(word);
    const auto request = runtime::ParsePsOptions(words);
    REQUIRE_MESSAGE(request, request.error().message);
    const auto list = ParseProcessList(Encode(ReadProcesses({pid}, threads))).value();
    return FormatProcesses(list, request->columns, {{{0, "root"}}, {{0, "root"}}});
}

}  // namespace

TEST_CASE(
    "a process name with parentheses and spaces does not shift the fields of /proc/PID/stat") {
    const std::string text =
        "12 (a) b (c)) S 7 11 10 34817 13 4194304 1 0 0 0 30 12 0 0 20 -3 4 0 4321 2048000 5 1 "
        "1 1 1 1 1 1 1 1 1 1 1 1 17 6 0 0 0 0 0";
    const auto entry = ParseProcStat(text, 100, 4);
    REQUIRE(entry);
    CHECK(entry->pid == 12);
    CHECK(entry->tid == 12);
    CHECK(entry->name == "a) b (c)");
    CHECK(entry->state == "S");
    CHECK(entry->ppid == 7);
    CHECK(entry->pgid == 11);
    CHECK(entry->sid == 10);
    CHECK(entry->terminal == 34817);
    CHECK(entry->foreground == 13);
    CHECK(entry->cpu_ms == 420);
    CHECK(entry->priority == 20);
    CHECK(entry->nice == -3);
    CHECK(entry->threads == 4);
    CHECK(entry->start_ms == 43210);
    CHECK(entry->virtual_kib == 2000);
    CHECK(entry->resident_kib == 20);
    CHECK(entry->processor == 6);
    CHECK(entry->timesharing);
    for (const char* wrong : {"", "1 (x) S 1", "1 x) S", "1 (x S"})
        CHECK_FALSE(ParseProcStat(wrong, 100, 4));
    ProcessEntry ids;
    AddProcStatus("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nVmLck:\t      12 kB\n", ids);
    CHECK(ids.real_uid == 1);
    CHECK(ids.uid == 2);
    CHECK(ids.real_gid == 5);
    CHECK(ids.gid == 6);
    CHECK(ids.locked);
}

TEST_CASE("lists of processes") {
    CHECK(ProcessesAsJson({1, 7, 42}) == "[1,7,42]");
    CHECK(ProcessesAsJson({}) == "[]");
    const auto table = ProcessesAsTable({::getpid(), 999999999});
    CHECK(table.starts_with("UID"));
    CHECK(table.find(std::to_string(::getpid())) != std::string::npos);
    CHECK(table.find("999999999") == std::string::npos);
}

TEST_CASE("each column looks as procps has it, for a process that stands still") {
    // One that has used no time that counts: a share of it would fall while it is looked at.
    pid_t pid = StartSleeper();
    for (int i = 0; i < 20 && ParseProcStat(StatOf(pid), ::sysconf(_SC_CLK_TCK), 4)->cpu_ms != 0;
         ++i) {
        EndSleeper(pid);
        pid = StartSleeper();
    }
    if (Procps("-o pid", pid).empty()) {
        MESSAGE("SKIP: there is no ps to compare with");
    } else {
        // -p chooses, which is the container's business here.
        for (const char* options :
             {"-f", "u", "-o pid,ppid,pgid,sid,uid,user,gid,group,comm,args,stat,s,tty,time,stime",
              "-o start,nlwp,rss,vsz,pcpu,pmem,ni,pri,cmd",
              "-o command,state,tt,start_time,%cpu,%mem,lwp,tid,spid,lstart,c,sz,ucmd,euser",
              "-o ruser,egroup,euid,bsdtime,bsdstart,sess,pgrp,uname,nice,cputime,thcount,priority",
              "-o rgid,rgroup,ruid,egid,tname,vsize",
              "-o pid=,comm=", "-o pid=X -o comm:30=NAME -o user", "-o args:5,pid:12", "-L", "-fL",
              "-T", "-fT", "-w -o args"}) {
            CAPTURE(std::string(options));
            CHECK(Ours(options, pid, std::string(options).find('L') != std::string::npos) ==
                  Procps(options, pid));
        }
    }
    EndSleeper(pid);
}

TEST_CASE("each thread of a process has an entry, and the command line of all") {
    const auto list = ReadProcesses({::getpid()}, true);
    REQUIRE_FALSE(list.processes.empty());
    CHECK(list.processes[0].tid == ::getpid());
    for (const auto& thread : list.processes) {
        CHECK(thread.pid == ::getpid());
        CHECK(thread.threads == static_cast<int64_t>(list.processes.size()));
        CHECK(thread.command == list.processes[0].command);
    }
    CHECK(list.memory_kib > 0);
    CHECK(list.most_pid >= 32768);
}

}  // namespace cc::agent
