/*
 * The peer of the host link's benchmark: a process 1 in C that does nothing but
 * load the modules, open the port "ipc" and answer PING as the init does it.
 * It reads many frames at once and writes their answers at once, as a C program
 * would that was written for speed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FRAME = 256, BATCH = 64, TC = 2, TM = 1, PING = 1 };

static void load_modules(void) {
  FILE *list = fopen("/etc/spaceos/modules", "r");
  char path[512];
  if (list == NULL) return;
  while (fgets(path, sizeof path, list) != NULL) {
    path[strcspn(path, "\n")] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    if (syscall(SYS_finit_module, fd, "", 0) != 0) perror(path);
    close(fd);
  }
  fclose(list);
}

static int open_port(void) {
  const char *folder = "/sys/class/virtio-ports";
  for (;;) {
    DIR *ports = opendir(folder);
    struct dirent *entry;
    while (ports != NULL && (entry = readdir(ports)) != NULL) {
      char path[512], name[64] = "";
      snprintf(path, sizeof path, "%s/%s/name", folder, entry->d_name);
      FILE *file = fopen(path, "r");
      if (file == NULL) continue;
      if (fgets(name, sizeof name, file) == NULL) name[0] = '\0';
      fclose(file);
      if (strcmp(name, "ipc\n") != 0) continue;
      snprintf(path, sizeof path, "/dev/%s", entry->d_name);
      int fd = open(path, O_RDWR | O_CLOEXEC);
      closedir(ports);
      return fd;
    }
    if (ports != NULL) closedir(ports);
    usleep(10000);
  }
}

static void write_all(int fd, const unsigned char *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = write(fd, bytes, size);
    if (count < 0 && errno != EINTR) return;
    if (count < 0) continue;
    bytes += count;
    size -= (size_t)count;
  }
}

/* PING's answer: type TM, from the init, the command with its top bit set, its
   sequence, status 0, and the arguments. Returns whether there is one. */
static int answer(const unsigned char *in, unsigned char *out) {
  unsigned length = (unsigned)(in[4] << 8 | in[5]);
  if (in[0] != 1 || in[1] != TC || length < 4 || length > 246) return 0;
  if (in[2] != 0 || in[3] != 0 || in[8] != 0 || in[9] != PING) return 0;
  memset(out, 0, FRAME);
  out[0] = 1;
  out[1] = TM;
  out[3] = 1;
  out[4] = (unsigned char)((length + 2) >> 8);
  out[5] = (unsigned char)(length + 2);
  out[8] = 0x80;
  out[9] = PING;
  out[10] = in[10];
  out[11] = in[11];
  memcpy(out + 14, in + 12, length - 4);
  return 1;
}

int main(void) {
  mount("devtmpfs", "/dev", "devtmpfs", 0, "");
  mount("proc", "/proc", "proc", 0, "");
  mount("sysfs", "/sys", "sysfs", 0, "");
  load_modules();
  int port = open_port();
  if (port < 0) {
    perror("port");
    for (;;) pause();
  }
  int console = open("/dev/console", O_WRONLY | O_CLOEXEC);
  write_all(console, (const unsigned char *)"echo: ready\n", 12);
  static unsigned char in[FRAME * BATCH], out[FRAME * BATCH];
  size_t filled = 0;
  for (;;) {
    ssize_t count = read(port, in + filled, sizeof in - filled);
    if (count <= 0) {
      /* Nobody is at the other end. */
      filled = 0;
      usleep(1000);
      continue;
    }
    filled += (size_t)count;
    size_t at = 0, ready = 0;
    for (; filled - at >= FRAME; at += FRAME) {
      ready += answer(in + at, out + ready) ? FRAME : 0;
    }
    memmove(in, in + at, filled - at);
    filled -= at;
    write_all(port, out, ready);
  }
}
