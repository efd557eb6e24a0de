/*
 * A wire with a delay. It carries IP packets between the TUN devices of two network namespaces, each DELAY_US after it
 * was read.
 *
 *     delay-wire DELAY_US CLIENT_NS SERVER_NS CLIENT_DEVICE SERVER_DEVICE
 *
 * 1. Order is kept, and no packet leaves early. A full queue drops the newest packet and counts it.
 * 2. The wire makes both namespaces and removes them. When standard input ends (its owner closed it or exited), and at
 *    SIGTERM, SIGINT or SIGHUP, it prints its counters, removes the namespaces and exits 0. Names that begin with '/'
 *    are paths of namespaces that exist (both or none): those are neither made nor removed.
 * 3. A line on standard input is a new delay in microseconds. It applies to the packets that are read after it.
 * 4. Until "ready" is printed nothing is carried. A failure prints one line on standard error, leaves nothing behind,
 *    and exits 2 (bad arguments), 3 (no namespaces here) or 4 (no TUN devices here).
 *
 * Linux offers netem for this, but not every kernel is built with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* More than Ethernet's 1,500: the devices' MTU is 1,500, and no offload is enabled. */
#define PACKET_MAX_BYTES 2048
/* At 10 ms this holds 400,000 packets a second. A power of two. */
#define QUEUE_PACKETS 4096
/* Packets read in a row before due ones are looked at again. */
#define BURST_PACKETS 64
#define NS_PER_S 1000000000LL
#define NS_PER_US 1000LL
#define DELAY_MAX_US 10000000LL

/*
 * A virtual machine wakes 50 to 150 us late from idle (measured), so the last span before a packet is due is spent
 * awake. A delay below that span is not measured against anything: it is waited for asleep, because a fleet's links
 * would keep two processors awake for every packet.
 */
#define AWAKE_NS (200 * NS_PER_US)

enum { BAD_ARGUMENTS = 2, NO_NAMESPACES = 3, NO_TUN = 4 };

struct packet {
  int64_t due_ns;
  uint32_t bytes;
  uint8_t content[PACKET_MAX_BYTES];
};

/* One direction. `taken` and `left` only grow; their difference is what waits. */
struct lane {
  int from, to;
  uint64_t taken, left;
  uint64_t overflowed, unsent;
  int64_t worst_late_ns;
  struct packet queue[QUEUE_PACKETS];
};

static struct lane lanes[2];
static const char *namespaces[2];
static int made;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void remove_namespaces(void) {
  for (int i = 0; i < made; i++) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespaces[i]);
    umount2(path, MNT_DETACH);
    unlink(path);
  }
}

static void fail(int status, const char *what, const char *which) {
  fprintf(stderr, "%s %s: %s\n", what, which, strerror(errno));
  remove_namespaces();
  exit(status);
}

/* By `ip`, whose way of mounting namespaces is the one `ip netns exec` expects (ip-netns(8)). */
static void make_namespace(const char *namespace) {
  if (namespace[0] == '/') return;
  pid_t child = fork();
  if (child < 0) fail(NO_NAMESPACES, "fork", namespace);
  if (child == 0) {
    /* `ready` and the counters are the only words on standard output. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execlp("ip", "ip", "netns", "add", namespace, (char *)NULL);
    _exit(127);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) {
    errno = EPERM;
    fail(NO_NAMESPACES, "ip netns add", namespace);
  }
  made++;
}

static int open_tun(const char *namespace, const char *device) {
  char path[256];
  snprintf(path, sizeof path, "%s%s", namespace[0] == '/' ? "" : "/run/netns/", namespace);
  int ns = open(path, O_RDONLY | O_CLOEXEC);
  if (ns < 0) fail(NO_NAMESPACES, "open", path);
  if (setns(ns, CLONE_NEWNET) < 0) fail(NO_NAMESPACES, "setns", path);
  close(ns);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail(NO_TUN, "open", "/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail(NO_TUN, "TUNSETIFF", device);
  return fd;
}

static void take(struct lane *lane, int64_t delay_ns) {
  for (int i = 0; i < BURST_PACKETS; i++) {
    uint8_t refused[PACKET_MAX_BYTES];
    int full = lane->taken - lane->left == QUEUE_PACKETS;
    struct packet *packet = &lane->queue[lane->taken % QUEUE_PACKETS];
    ssize_t bytes = read(lane->from, full ? refused : packet->content, PACKET_MAX_BYTES);
    if (bytes <= 0) return;
    if (full) {
      lane->overflowed++;
      continue;
    }
    packet->due_ns = now_ns() + delay_ns;
    packet->bytes = (uint32_t)bytes;
    lane->taken++;
  }
}

static void leave(struct lane *lane) {
  while (lane->left < lane->taken) {
    struct packet *packet = &lane->queue[lane->left % QUEUE_PACKETS];
    int64_t late_ns = now_ns() - packet->due_ns;
    if (late_ns < 0) return;
    if (late_ns > lane->worst_late_ns) lane->worst_late_ns = late_ns;
    if (write(lane->to, packet->content, packet->bytes) != (ssize_t)packet->bytes) lane->unsent++;
    lane->left++;
  }
}

/* How long may be slept: until just before the next packet is due, 0 when that is now, NULL when none waits. */
static struct timespec *until_due(struct timespec *wait, int64_t awake_ns) {
  int64_t soonest_ns = INT64_MAX;
  for (int i = 0; i < 2; i++) {
    struct lane *lane = &lanes[i];
    if (lane->left == lane->taken) continue;
    int64_t due_ns = lane->queue[lane->left % QUEUE_PACKETS].due_ns;
    if (due_ns < soonest_ns) soonest_ns = due_ns;
  }
  if (soonest_ns == INT64_MAX) return NULL;
  int64_t wait_ns = soonest_ns - awake_ns - now_ns();
  if (wait_ns < 0) wait_ns = 0;
  *wait = (struct timespec){.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
  return wait;
}

/* Whether the wire's time is over. A line of the owner's changes the delay; its owner writes one line at a time. */
static int ended(struct pollfd *owner, struct pollfd *signals, int64_t *delay_ns) {
  char line[64];
  if (signals->revents) return 1;
  if (owner->revents == 0) return 0;
  ssize_t bytes = read(owner->fd, line, sizeof line - 1);
  if (bytes <= 0) return 1;
  line[bytes] = 0;
  int64_t delay_us = strtoll(line, NULL, 10);
  if (delay_us >= 0 && delay_us <= DELAY_MAX_US) *delay_ns = delay_us * NS_PER_US;
  return 0;
}

static void carry(int64_t delay_ns, int signal_fd) {
  struct pollfd polled[4] = {
      {.fd = lanes[0].from, .events = POLLIN},
      {.fd = lanes[1].from, .events = POLLIN},
      {.fd = STDIN_FILENO, .events = POLLIN},
      {.fd = signal_fd, .events = POLLIN},
  };
  for (;;) {
    struct timespec wait;
    int ready = ppoll(polled, 4, until_due(&wait, delay_ns < AWAKE_NS ? 0 : AWAKE_NS), NULL);
    if (ready < 0 && errno != EINTR) return;
    if (ready > 0) {
      if (ended(&polled[2], &polled[3], &delay_ns)) return;
      for (int i = 0; i < 2; i++)
        if (polled[i].revents) take(&lanes[i], delay_ns);
    }
    for (int i = 0; i < 2; i++) leave(&lanes[i]);
  }
}

/* All of it is best effort: without it the wire is as late as the scheduler makes it, and says so at the end. */
static void be_punctual(void) {
  struct sched_param first = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
  sched_setscheduler(0, SCHED_FIFO, &first);
  mlockall(MCL_CURRENT);
  prctl(PR_SET_TIMERSLACK, 1);
}

static int end_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

static void print_lane(const char *name, const struct lane *lane, const char *after) {
  printf("\"%s\":{\"carried\":%llu,\"overflowed\":%llu,\"unsent\":%llu,\"worstLateNs\":%lld}%s", name,
         (unsigned long long)(lane->left - lane->unsent), (unsigned long long)lane->overflowed,
         (unsigned long long)lane->unsent, (long long)lane->worst_late_ns, after);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: delay-wire DELAY_US CLIENT_NS SERVER_NS CLIENT_DEVICE SERVER_DEVICE\n");
    return BAD_ARGUMENTS;
  }
  int64_t delay_us = strtoll(argv[1], NULL, 10);
  if (delay_us < 0 || delay_us > DELAY_MAX_US) {
    fprintf(stderr, "DELAY_US: %s is out of range; expected 0 to %lld\n", argv[1], DELAY_MAX_US);
    return BAD_ARGUMENTS;
  }
  namespaces[0] = argv[2];
  namespaces[1] = argv[3];
  int signal_fd = end_signals();
  make_namespace(namespaces[0]);
  make_namespace(namespaces[1]);
  int client = open_tun(namespaces[0], argv[4]);
  int server = open_tun(namespaces[1], argv[5]);
  lanes[0].from = lanes[1].to = client;
  lanes[0].to = lanes[1].from = server;
  be_punctual();
  printf("ready\n");
  fflush(stdout);
  carry(delay_us * NS_PER_US, signal_fd);
  printf("{");
  print_lane("toServer", &lanes[0], ",");
  print_lane("toClient", &lanes[1], "}\n");
  fflush(stdout);
  remove_namespaces();
  return 0;
}
