// SPDX-License-Identifier: Apache-2.0
#include "proxy/metrics.h"

#include <map>
#include <regex>
#include <set>

#include "tests/unit/proxy/hub.h"

namespace cc::proxy {
namespace {

using std::chrono::milliseconds;
using Samples = std::map<std::string, std::string>;

// All samples of a text, by name and labels; the text has to keep the rules of the format.
Samples ParseSamples(const std::string& text) {
    static const std::regex sample(
        R"re(([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? ([0-9.]+))re");
    static const std::regex comment("# (HELP [a-z_]+ [^\\n]+|TYPE [a-z_]+ (counter|gauge))");
    Samples samples;
    std::set<std::string> described;
    std::string current;
    REQUIRE(text.ends_with('\n'));
    for (const auto& line : Split(text.substr(0, text.size() - 1), '\n')) {
        std::smatch match;
        if (line.starts_with('#')) {
            CHECK_MESSAGE(std::regex_match(line, comment), line);
            if (!line.starts_with("# TYPE ")) continue;
            current = Split(line, ' ').at(2);
            CHECK_MESSAGE(described.insert(current).second, line);
            continue;
        }
        REQUIRE_MESSAGE(std::regex_match(line, match, sample), line);
        CHECK(match[1] == current);  // a metric's samples stand together
        const bool added = samples.emplace(Cat(match[1].str(), match[2].str()), match[3]).second;
        CHECK_MESSAGE(added, line);
    }
    return samples;
}

Samples MetricsOf(Hub& hub) {
    return ParseSamples(PrometheusText(hub.world.router.TakeSnapshot(), milliseconds(61'042)));
}

TEST_CASE("an idle proxy's metrics") {
    Hub hub;
    const auto samples = MetricsOf(hub);
    CHECK(samples.at("cc_proxy_uptime_seconds") == "61.042");
    CHECK(samples.at("cc_proxy_clients") == "0");
    CHECK(samples.at("cc_proxy_vms") == "0");
    CHECK(samples.at("cc_proxy_connections_total") == "0");
}

TEST_CASE("streams are counted for their session and for their VM") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Start(runtime, token, "web");
    hub.Output(3, "12345");
    hub.Output(3, "67");
    hub.Output(4, "err");
    hub.Output(99, "nobody's");
    shim->Send(EncodeStream(StreamKind::kStdin, "in"));
    hub.world.Pass(milliseconds(2500));
    const auto samples = MetricsOf(hub);
    const std::string session = R"({vm="vm0",session="3",container="web")";
    const auto of_session = [&](const std::string& name, const std::string& stream) {
        return samples.at(Cat("cc_proxy_session_", name, session, ",stream=\"", stream, "\"}"));
    };
    CHECK(of_session("bytes_total", "stdout") == "7");
    CHECK(of_session("frames_total", "stdout") == "2");
    CHECK(of_session("bytes_total", "stderr") == "3");
    CHECK(of_session("bytes_total", "stdin") == "2");
    CHECK(of_session("frames_total", "stdin") == "1");
    const auto of_port = [&](const std::string& name, const std::string& direction) {
        return samples.at(
            Cat("cc_proxy_vm_", name, R"({vm="vm0",port="io",direction=")", direction, "\"}"));
    };
    CHECK(of_port("frames_total", "from_agent") == "4");
    CHECK(of_port("bytes_total", "from_agent") == "18");
    CHECK(of_port("bytes_total", "to_agent") == "2");
    CHECK(samples.at("cc_proxy_vm_dropped_frames_total{vm=\"vm0\"}") == "1");
    CHECK(samples.at("cc_proxy_vm_state{vm=\"vm0\",state=\"running\",extension=\"0\"}") == "1");
    CHECK(samples.at("cc_proxy_vm_age_seconds{vm=\"vm0\"}") == "2.500");
    CHECK(samples.at("cc_proxy_vm_sessions{vm=\"vm0\"}") == "1");
    CHECK(samples.at("cc_proxy_sessions") == "1");
    CHECK(samples.at("cc_proxy_sessions_unlisted") == "0");
    CHECK(samples.at("cc_proxy_clients") == "3");
}

TEST_CASE("commands and their errors are counted, and those an agent leaves unanswered") {
    Hub hub;
    const auto runtime = hub.Register();
    CHECK(hub.Ask(runtime, ClientCommand::kHyper, hub.Hyper("nonsense")) != "");
    hub.Say(runtime, ClientCommand::kHyper, hub.Hyper("ping"));
    hub.control->Send(EncodeControl(ControlCode::kError, "no"));
    hub.world.Run();
    CHECK(Hub::Frame(runtime).error);
    hub.Say(runtime, ClientCommand::kHyper, hub.Hyper("ping"));
    hub.world.Pass(kReplyDeadline);
    CHECK(Hub::Frame(runtime).error);
    const auto samples = MetricsOf(hub);
    CHECK(samples.at("cc_proxy_commands_total{command=\"Hyper\"}") == "3");
    CHECK(samples.at("cc_proxy_command_errors_total{command=\"Hyper\"}") == "3");
    CHECK(samples.at("cc_proxy_commands_total{command=\"RegisterVM\"}") == "1");
    CHECK(samples.at("cc_proxy_command_errors_total{command=\"RegisterVM\"}") == "0");
    CHECK(samples.at("cc_proxy_vm_commands_total{vm=\"vm0\"}") == "2");
    CHECK(samples.at("cc_proxy_vm_command_errors_total{vm=\"vm0\"}") == "1");
    CHECK(samples.at("cc_proxy_vm_command_timeouts_total{vm=\"vm0\"}") == "1");
    CHECK(samples.at("cc_proxy_vm_commands_unanswered{vm=\"vm0\"}") == "1");
}

TEST_CASE("queues, stalls and lost output are counted") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    auto shim = hub.Shim(token);
    hub.Start(runtime, token, "web");
    shim->reads = false;
    const std::string block(32 * 1024, 'x');
    for (size_t sent = 0; sent <= kHighWater; sent += block.size())
        hub.Output(3, block);
    const std::string session = R"({vm="vm0",session="3",container="web")";
    auto samples = MetricsOf(hub);
    CHECK(samples.at("cc_proxy_vm_stalls_total{vm=\"vm0\"}") == "1");
    CHECK(samples.at(Cat("cc_proxy_session_stalls_total", session, ",stream=\"output\"}")) == "1");
    const auto queued =
        ParseNumber<size_t>(samples.at(Cat("cc_proxy_session_queued_bytes", session, "}")));
    CHECK(queued > kHighWater);
    shim->reads = true;
    hub.world.Run();
    samples = MetricsOf(hub);
    CHECK(samples.at(Cat("cc_proxy_session_queued_bytes", session, "}")) == "0");
    CHECK(samples.at(Cat("cc_proxy_session_queued_bytes_max", session, "}")) == Cat(*queued));

    hub.io->reads = false;
    for (size_t sent = 0; sent <= kHighWater; sent += block.size()) {
        shim->Send(EncodeStream(StreamKind::kStdin, block));
        hub.world.Run();
    }
    samples = MetricsOf(hub);
    CHECK(samples.at(Cat("cc_proxy_session_stalls_total", session, ",stream=\"stdin\"}")) == "1");
    CHECK(ParseNumber<size_t>(samples.at(R"(cc_proxy_vm_queued_bytes{vm="vm0",port="io"})")) >
          kHighWater);
    hub.io->reads = true;
    hub.world.Run();
    CHECK(ParseNumber<size_t>(MetricsOf(hub).at(
              R"(cc_proxy_vm_queued_bytes_max{vm="vm0",port="io"})")) > kHighWater);

    shim->Close();
    hub.world.Run();
    for (size_t sent = 0; sent <= kMaxKeptOutput; sent += block.size())
        hub.Output(3, block);
    samples = MetricsOf(hub);
    CHECK(samples.at(Cat("cc_proxy_session_dropped_bytes_total", session, "}")) != "0");
}

TEST_CASE("names that clients choose cannot break the metrics' format") {
    SessionSnapshot session;
    session.container = "\n\x1b";
    VmSnapshot vm;
    vm.id = "a\"} 1\n\\x\x1b[2J\xff\t";
    vm.registered = true;
    vm.sessions.push_back(session);
    Snapshot snapshot;
    snapshot.vms = {vm};
    snapshot.session_count = 1;
    const auto samples = ParseSamples(PrometheusText(snapshot, milliseconds(0)));
    const std::string label = R"(vm="a\"} 1\n\\x\\x1b[2J\\xff\\t")";
    CHECK(samples.contains(Cat("cc_proxy_vm_sessions{", label, "}")));
    CHECK(samples.contains(
        Cat("cc_proxy_session_queued_bytes{", label, R"(,session="0",container="\n\\x1b"})")));
}

TEST_CASE("a VM that still ends beside a new one of its name does not double its samples") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Start(runtime, token);
    CHECK(hub.Ask(runtime, ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})) == "");
    hub.Register();
    const auto samples = MetricsOf(hub);  // checks for doubles
    CHECK(samples.at("cc_proxy_vms") == "2");
    CHECK(samples.at("cc_proxy_vm_sessions{vm=\"vm0\"}") == "0");
    CHECK(samples.at("cc_proxy_sessions_unlisted") == "1");
}

TEST_CASE("the number of sessions that are listed is bounded") {
    Hub hub;
    const auto runtime = hub.Register();
    constexpr int64_t kTokens = kMaxTokensPerRequest;
    for (size_t i = 0; i < kMaxListedSessions + 1; i += kTokens)
        CHECK(hub.Ask(runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", kTokens})) == "");
    const auto snapshot = hub.world.router.TakeSnapshot();
    CHECK(snapshot.session_count == kMaxListedSessions + kTokens);
    CHECK(snapshot.vms.at(0).sessions.size() == kMaxListedSessions);
    const auto samples = MetricsOf(hub);
    CHECK(samples.at("cc_proxy_sessions_unlisted") == Cat(kTokens));
}

}  // namespace
}  // namespace cc::proxy
