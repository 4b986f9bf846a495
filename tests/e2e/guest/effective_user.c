// SPDX-License-Identifier: Apache-2.0
// Prints the effective user's id: with the set-user-id bit, its owner's, unless the process has
// been kept from gaining privileges.
#include <stdio.h>
#include <unistd.h>

int main(void) {
    printf("%d\n", (int)geteuid());
    return 0;
}
