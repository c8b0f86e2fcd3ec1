/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Java's files say, for a transcript: FileChannel, RandomAccessFile, streams. */
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;

class JavaFiles {
	static ByteBuffer bytes(int n, char c) {
		return ByteBuffer.wrap(Character.toString(c).repeat(n).getBytes());
	}

	static void say(Object... words) {
		StringBuilder line = new StringBuilder();
		for (Object word : words)
			line.append(word).append(' ');
		System.out.println(line);
	}

	static void channel() throws IOException {
		Path path = Path.of("channel.data");
		try (FileChannel c = FileChannel.open(path, StandardOpenOption.CREATE,
				StandardOpenOption.READ, StandardOpenOption.WRITE)) {
			for (int i = 0; i < 500; i++) {
				c.write(bytes(i, 'a'));
				if (i % 50 == 0) {
					c.force(i % 100 == 0);
					say("size", c.size(), c.position(), Files.size(path));
				}
			}
			say("position", c.position(200000).position(), c.size());
			say("read past the end", c.read(ByteBuffer.allocate(10)), c.size());
			say("write past the end", c.write(bytes(10, 'b')), c.size());
			say("pwrite", c.write(bytes(20, 'c'), 300000), c.position(), c.size());
			say("pread", c.read(ByteBuffer.allocate(100), 299990));
			say("pread at the end", c.read(ByteBuffer.allocate(100), 300020));
			ByteBuffer[] gathered = { bytes(10, 'd'), bytes(0, 'd'), bytes(30, 'e') };
			say("gather", c.position(c.size()).write(gathered), c.size());
			ByteBuffer[] scattered = { ByteBuffer.allocate(15), ByteBuffer.allocate(99) };
			say("scatter", c.position(300010).read(scattered), c.position());
			say("truncate", c.truncate(250000).size(), c.position());
			say("truncate beyond", c.truncate(900000).size(), c.position());
			c.position(c.size());
			for (int i = 0; i < 100; i++)
				c.write(bytes(777, 'f'));
			say("appended", c.size());
			MappedByteBuffer map = c.map(FileChannel.MapMode.READ_WRITE, 0, c.size());
			map.put(5, (byte) 'M');
			map.force();
			say("mapped", map.capacity(), c.size());
			map = c.map(FileChannel.MapMode.READ_WRITE, c.size() - 10, 5000);
			map.put(4000, (byte) 'N');
			map.force();
			say("mapped further", map.capacity(), c.size());
			c.write(bytes(100, 'g'), c.size());
			say("after the map", c.size());
		}
		say(path, Files.size(path));
	}

	static void append() throws IOException {
		Path path = Path.of("append.data"), copy = Path.of("copy.data");
		try (FileChannel c = FileChannel.open(path, StandardOpenOption.CREATE,
				StandardOpenOption.APPEND);
				FileChannel from = FileChannel.open(Path.of("channel.data"));
				FileChannel to = FileChannel.open(copy, StandardOpenOption.CREATE,
						StandardOpenOption.READ, StandardOpenOption.WRITE)) {
			for (int i = 0; i < 300; i++) {
				c.write(bytes(100 + i, 'h'));
				c.force(false);
			}
			say("append", c.size(), c.position());
			c.position(0);
			c.write(bytes(50, 'i'));
			say("append after position", c.size(), c.position());
			c.truncate(1000);
			c.write(bytes(10, 'j'));
			say("append after truncate", c.size(), Files.size(path));
			say("head", to.write(bytes(1000, 'k')), to.write(bytes(1000, 'k')));
			say("transferTo", from.transferTo(100, 100000, to), to.size(), to.position());
			say("transferFrom", to.transferFrom(from.position(0), to.size(), 50000), to.size());
			say("transferFrom far", to.transferFrom(from, to.size() + 100, 50), to.size());
			try (FileLock lock = to.lock(0, Long.MAX_VALUE, false)) {
				to.write(bytes(5000, 'l'), to.size());
				say("locked", lock.isValid(), to.size());
				try {
					say("again", to.tryLock(10, 10, false));
				} catch (OverlappingFileLockException e) {
					say("overlapping");
				}
			}
			say("shared lock", to.tryLock(0, 10, true).isShared());
			Files.copy(copy, Path.of("copied.data"), StandardCopyOption.COPY_ATTRIBUTES);
			Files.move(path, Path.of("moved.data"));
			c.write(bytes(100, 'm'));
			say("moved", Files.size(Path.of("moved.data")), c.size());
		}
	}

	static void random() throws IOException {
		try (RandomAccessFile f = new RandomAccessFile("random.data", "rw")) {
			for (int i = 0; i < 1000; i++)
				f.writeLong(i);
			say("written", f.length(), f.getFilePointer());
			f.writeUTF("Zeichen: äöü");
			f.seek(100000);
			say("seek", f.length(), f.getFilePointer(), f.read());
			f.writeInt(7);
			say("past the end", f.length());
			f.setLength(200000);
			say("longer", f.length(), f.getFilePointer());
			f.seek(f.length());
			f.write(new byte[5000]);
			f.setLength(50000);
			say("shorter", f.length(), f.getFilePointer());
			f.seek(f.length() - 4);
			byte[] buffer = new byte[100];
			say("the end", f.read(buffer), f.read(buffer));
			f.writeBytes("after");
			say("append", f.length());
		}
		try (RandomAccessFile f = new RandomAccessFile("synced.data", "rwd")) {
			for (int i = 0; i < 50; i++)
				f.write(("line " + i + "\n").getBytes());
			f.seek(0);
			say("first", f.readLine(), f.length());
		}
	}

	static void streams() throws Exception {
		try (FileOutputStream out = new FileOutputStream("stream.data", true)) {
			for (int i = 0; i < 200; i++)
				out.write(new byte[333]);
			say("stream", out.getChannel().size(), out.getChannel().position());
			out.getFD().sync();
		}
		try (FileInputStream in = new FileInputStream("stream.data")) {
			say("available", in.available(), in.skip(66000), in.available());
		}
		for (int i = 0; i < 20; i++)
			Files.write(Path.of("lines.data"), List.of("a line", "another"),
				StandardOpenOption.CREATE, StandardOpenOption.APPEND);
		say("lines", Files.readAllLines(Path.of("lines.data")).size());
		try (AsynchronousFileChannel c = AsynchronousFileChannel.open(Path.of("async.data"),
				StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
			for (int i = 0; i < 50; i++)
				say("async", c.write(bytes(1000, 'z'), i * 1000).get(), c.size());
			say(c.truncate(12345).size());
		}
		Process child = new ProcessBuilder("echo", "from a child")
			.redirectOutput(ProcessBuilder.Redirect.appendTo(
				Path.of("stream.data").toFile())).start();
		say("child", child.waitFor(), Files.size(Path.of("stream.data")));
	}

	/* Threads that append to one channel: each write whole. */
	static void threads() throws Exception {
		try (FileChannel c = FileChannel.open(Path.of("threads.data"),
				StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
			Thread[] threads = new Thread[6];
			for (int t = 0; t < threads.length; t++) {
				String line = Character.toString('A' + t).repeat(99) + "\n";
				threads[t] = new Thread(() -> {
					try {
						for (int i = 0; i < 300; i++)
							c.write(ByteBuffer.wrap(line.getBytes()));
					} catch (IOException e) {
						say(e);
					}
				});
				threads[t].start();
			}
			for (Thread thread : threads)
				thread.join();
			say("threads", c.size());
		}
		List<String> lines = Files.readAllLines(Path.of("threads.data"));
		say(lines.stream().filter(l -> l.matches("(.)\\1{98}")).count(),
			lines.stream().distinct().count());
		Files.delete(Path.of("threads.data"));
	}

	public static void main(String[] arguments) throws Exception {
		channel();
		append();
		random();
		streams();
		threads();
	}
}
