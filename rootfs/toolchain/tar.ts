/**
 * Reads one file out of a gzip-compressed tar archive (POSIX ustar with the
 * pax and GNU extensions skipped), as a stream: npm's archives are larger
 * than what should be held in memory. It imports nothing.
 */

const BLOCK_BYTES = 512;

/** Hands out a stream in pieces of wanted sizes. */
class Reader {
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** The next piece, at most `limitBytes` long; undefined at the end. */
  async some(limitBytes: number): Promise<Uint8Array | undefined> {
    if (this.#rest.length === 0) {
      const { value, done } = await this.#reader.read();
      if (done) return undefined;
      this.#rest = new Uint8Array(value);
    }
    const piece = this.#rest.subarray(0, limitBytes);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Exactly `lengthBytes`, or undefined when the stream ends before. */
  async exactly(lengthBytes: number): Promise<Uint8Array | undefined> {
    const whole = new Uint8Array(lengthBytes);
    for (let at = 0; at < lengthBytes;) {
      const piece = await this.some(lengthBytes - at);
      if (piece === undefined) return undefined;
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

function text(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end === -1 ? field : field.subarray(0, end));
}

/**
 * Copies the beginning of one file of an archive.
 *
 * @param archivePath the .tgz file
 * @param memberName the file's whole name in the archive
 * @param lengthBytes how much of it
 * @param write takes the pieces, in order
 * @throws {Error} when the file is not there or shorter
 */
export async function extractPrefix(
  archivePath: string,
  memberName: string,
  lengthBytes: number,
  write: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  const file = await Deno.open(archivePath);
  const reader = new Reader(
    file.readable.pipeThrough(new DecompressionStream("gzip")),
  );
  try {
    for (;;) {
      const header = await reader.exactly(BLOCK_BYTES);
      if (header === undefined || header.every((byte) => byte === 0)) {
        throw new Error(`${archivePath} has no file ${memberName}`);
      }
      const prefix = text(header, 345, 155);
      const name = (prefix ? `${prefix}/` : "") + text(header, 0, 100);
      const sizeBytes = parseInt(text(header, 124, 12).trim() || "0", 8);
      if (!Number.isSafeInteger(sizeBytes)) {
        throw new Error(`${archivePath}: the size of ${name} cannot be read`);
      }
      const wanted = name === memberName;
      if (wanted && sizeBytes < lengthBytes) {
        throw new Error(
          `${archivePath}: ${name} has ${sizeBytes} bytes, expected at least ${lengthBytes}`,
        );
      }
      let left = wanted
        ? lengthBytes
        : Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
      while (left > 0) {
        const piece = await reader.some(left);
        if (piece === undefined) {
          throw new Error(`${archivePath} ends too early`);
        }
        if (wanted) await write(piece);
        left -= piece.length;
      }
      if (wanted) return;
    }
  } finally {
    // Closes the file, too.
    await reader.cancel().catch(() => {});
  }
}
