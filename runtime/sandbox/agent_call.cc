// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/agent_call.h"

#include "base/text.h"
#include "protocol/vm_config.h"

namespace cc::runtime {

namespace {
// Reference A5.
constexpr std::string_view kAgentErrorPrefix =
    "ERROR received from VM agent, control msg received : ";
}  // namespace

ProxyAddress ProxyOf(const SandboxRecord& sandbox) {
    return {.socket = sandbox.proxy_socket,
            .executable = sandbox.proxy_executable,
            .log_level = sandbox.proxy_log_level,
            .ksm = sandbox.proxy_ksm};
}

ProxyAddress RunningProxyOf(const SandboxRecord& sandbox) {
    return {.socket = sandbox.proxy_socket, .executable = {}, .log_level = {}};
}

Result<Attached> Attach(const SandboxRecord& sandbox, int streams, int connection,
                        std::chrono::milliseconds deadline) {
    CC_ASSIGN(ProxyClient client, ProxyClient::Connect(ProxyOf(sandbox)));
    CC_ASSIGN(IoResponse io,
              Context("attaching to the virtual machine",
                      client.AttachVm({sandbox.vm_name, streams}, deadline, connection)));
    if (streams > 0 && io.tokens.size() != static_cast<size_t>(streams))
        return Fail("attaching to the virtual machine: cc-proxy gave no token");
    return Attached{std::move(client),
                    {.token = streams > 0 ? io.tokens[0] : "",
                     .uri = std::move(io.url),
                     .keeper = Cat(sandbox.vm_directory, "/", kVerbSocketName),
                     .proxy_executable = sandbox.proxy_executable,
                     .proxy_log_level = sandbox.proxy_log_level,
                     .proxy_ksm = sandbox.proxy_ksm,
                     .connected = io.connection},
                    io.agent ? io.agent->extension : 0};
}

Result<std::string> CallAgent(ProxyClient& client, ControlCode command, const std::string& data,
                              const std::string& token, std::chrono::milliseconds deadline) {
    HyperMessage message;
    message.hyper_name = HyperName(command);
    if (!token.empty()) message.tokens.push_back(token);
    message.data = data;
    auto answer = client.Hyper(message, deadline);
    if (!answer && answer.error().message.starts_with(kAgentErrorPrefix))
        answer.error().message.erase(0, kAgentErrorPrefix.size());
    if (!answer && answer.error().code == ETIMEDOUT)
        return Fail(Cat("the agent in the virtual machine did not answer '", message.hyper_name,
                        "' within ", deadline.count() / 1000, " s"),
                    ETIMEDOUT);
    return answer;
}

Result<std::string> CallGuest(const Store& store, const ContainerRecord& container,
                              ControlCode command, const std::string& data) {
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    CC_ASSIGN(Attached attached, Attach(sandbox, 0));
    return CallAgent(attached.client, command, data);
}

}  // namespace cc::runtime
