// SPDX-License-Identifier: Apache-2.0
// The commands of our own about a container that is there.
#include "agent/cgroup_stats.h"
#include "agent/pod.h"
#include "base/text.h"

namespace cc::agent {

namespace {

Container::Done Answer(std::string what, Pod::Reply reply) {
    return [what = std::move(what), reply = std::move(reply)](Result<void> result) {
        reply(Context(what, std::move(result)).map([] { return std::string(); }));
    };
}

}  // namespace

Result<Container*> Pod::FindAlive(const std::string& id, std::string_view impossible) {
    if (!started_) return Fail(Cat("Pod not started, impossible to ", impossible));
    CC_ASSIGN(Container * container, Find(id, impossible));
    if (!container->alive())
        return Fail(Cat("Container ", id, " not running, impossible to ", impossible));
    return container;
}

void Pod::Pause(const OneContainer& message, Reply reply) {
    const auto container = FindAlive(message.container, "pause");
    if (!container) return reply(Failure(container.error()));
    (*container)->Pause(Answer("pausing the container", std::move(reply)));
}

void Pod::Resume(const OneContainer& message, Reply reply) {
    const auto container = FindAlive(message.container, "resume");
    if (!container) return reply(Failure(container.error()));
    (*container)->Resume(Answer("resuming the container", std::move(reply)));
}

// Also of one that has ended: how often it ran out of memory is told by its end.
Result<std::string> Pod::Stats(const OneContainer& message) {
    if (!started_) return Fail("Pod not started, impossible to count");
    CC_ASSIGN(const Container* container, Find(message.container, "count"));
    return Encode(ReadCgroupFiles(container->cgroup().path()));
}

Result<std::string> Pod::Update(const UpdateContainer& message) {
    if (!started_) return Fail("Pod not started, impossible to update");
    CC_ASSIGN(Container * container, Find(message.container, "update"));
    if (!container->alive())
        return Fail(Cat("Container ", message.container, " not running, impossible to update"));
    CC_ASSIGN(const ResourceSpec resources, ParseResources(message.resources));
    CC_TRY(Context("updating the container", container->cgroup().Limit(resources)));
    return std::string();
}

}  // namespace cc::agent
