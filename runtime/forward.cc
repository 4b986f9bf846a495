// SPDX-License-Identifier: Apache-2.0
// cc-runtime forward: what a VM's keeper runs for a connection to the loopback address of the
// container's network namespace (vmm/port_forward.h). The agent connects to the same port in the
// guest; standard input and output are the connection.
#include "base/text.h"
#include "protocol/agent_messages.h"
#include "runtime/app.h"
#include "runtime/sandbox/exec_shim.h"
#include "runtime/sandbox/wait.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<uint16_t> ReadPort(const std::string& text) {
    const auto port = ParseNumber<uint16_t>(text);
    if (!port || *port == 0) return Fail(Cat("--port ", Quoted(text, 16), " is no TCP port"));
    return *port;
}

Result<Shim> StartForward(const Store& store, const std::string& sandbox_id, uint16_t port) {
    CC_TRY(CheckId(sandbox_id));
    // Not locked: nothing is changed, and a verb that takes long must hold up nobody who connects.
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(sandbox_id));
    CC_ASSIGN(const ContainerRecord container, store.LoadContainer(sandbox_id));
    ExecCommand command;
    command.container = container.id;
    command.connect = port;
    CC_ASSIGN(Shim shim, ForkExecShim(container, sandbox,
                                      {.executable = {},
                                       .title = {"forward", std::to_string(port)},
                                       .terminal = false,
                                       .console = -1,
                                       .debug = false}));
    if (auto started = StartInGuest(sandbox, Encode(command), shim); !started) {
        shim.Kill();
        return Failure(started.error());
    }
    return shim;
}

}  // namespace

CliCommand ForwardVerb() {
    return {.name = "forward",
            .help =
                "connect standard input and output to a TCP port of the guest's loopback; the "
                "keeper of a virtual machine calls this",
            .options = {{.names = "--sandbox",
                         .value = "ID",
                         .help = "which virtual machine",
                         .required = true},
                        {.names = "--port", .value = "N", .help = "TCP port", .required = true}},
            .run = Run([](App& app, const CliValues& own) -> Result<int> {
                CC_ASSIGN(const uint16_t port, ReadPort(own.Get("port")));
                CC_ASSIGN(const Store store, app.OpenStore());
                ForegroundWait foreground;
                CC_ASSIGN(const Shim shim, Context(Cat("forwarding port ", port),
                                                   StartForward(store, own.Get("sandbox"), port)));
                return foreground.Wait(shim.process());
            }),
            .hidden = true};
}

}  // namespace cc::runtime
