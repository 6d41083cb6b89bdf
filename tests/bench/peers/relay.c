/*
 * The peer of the switch's benchmark: listens on two unix sockets, takes one
 * connection at each, and copies what comes from the first to the second,
 * without looking at it. Its arguments are the paths of the sockets.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(fd, 1) != 0) {
    perror(path);
    return -1;
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int from_listener = listen_at(argv[1]), to_listener = listen_at(argv[2]);
  if (from_listener < 0 || to_listener < 0) return 1;
  int from = accept(from_listener, NULL, NULL);
  int to = accept(to_listener, NULL, NULL);
  static char buffer[8192];
  for (;;) {
    ssize_t count = read(from, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return 0;
    for (ssize_t done = 0; done < count;) {
      ssize_t written = write(to, buffer + done, (size_t)(count - done));
      if (written < 0 && errno != EINTR) return 0;
      if (written > 0) done += written;
    }
  }
}
