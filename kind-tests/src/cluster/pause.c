/* Holds a Pod's namespaces, and reaps what its containers leave behind where they share process ids. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void reap(int signal) { while (waitpid(-1, 0, WNOHANG) > 0) {} }
static void leave(int signal) { _exit(0); }

int main(void) {
    signal(SIGCHLD, reap);
    signal(SIGTERM, leave);
    signal(SIGINT, leave);
    for (;;) pause();
}
