import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2GoAwayFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.File;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** A server on Netty, as interop/main.rs describes. Arguments: certificate and key, both PEM files. */
public final class Server {
    private static final String[] OWN = {"apns-topic", "apns-expiration", "apns-id", "authorization"};

    /** One request, on a channel of its own. */
    private static final class Exchange extends ChannelInboundHandlerAdapter {
        private final int padding;
        private final ByteBuf body = Unpooled.buffer();
        private Http2Headers head;

        Exchange(int padding) {
            this.padding = padding;
        }

        @Override
        public void channelRead(ChannelHandlerContext ctx, Object frame) {
            boolean ends = false;
            if (frame instanceof Http2HeadersFrame headers) {
                head = headers.headers();
                ends = headers.isEndStream();
            } else if (frame instanceof Http2DataFrame data) {
                body.writeBytes(data.content());
                ends = data.isEndStream();
                data.release();
            }
            if (ends) {
                answer(ctx);
            }
        }

        private void answer(ChannelHandlerContext ctx) {
            String path = head.path().toString();
            StringBuilder seen = new StringBuilder(path);
            for (String name : OWN) {
                CharSequence value = head.get(name);
                seen.append(' ').append(value == null ? "-" : value);
            }
            ByteBuf line = Unpooled.copiedBuffer(seen.append('\n'), StandardCharsets.UTF_8);
            ByteBuf all = Unpooled.wrappedBuffer(line, body);
            if (path.startsWith("/missing/")) {
                all = Unpooled.copiedBuffer("{\"reason\":\"BadDeviceToken\"}", StandardCharsets.UTF_8);
            }
            if (path.startsWith("/early/")) {
                headers(ctx, new DefaultHttp2Headers().status("103").set("link", "</style.css>; rel=preload"), false);
            }
            boolean hasTrailers = path.startsWith("/trailers/");
            String status = path.startsWith("/missing/") ? "404" : "200";
            headers(ctx, new DefaultHttp2Headers().status(status).set("x-path", path), false);
            String bytes = String.valueOf(all.readableBytes());
            ctx.write(new DefaultHttp2DataFrame(all, !hasTrailers, padding));
            if (hasTrailers) {
                headers(ctx, new DefaultHttp2Headers().set("x-bytes", bytes), true);
            }
            ctx.flush();
            if (path.startsWith("/goaway/")) {
                ctx.channel().parent().writeAndFlush(new DefaultHttp2GoAwayFrame(Http2Error.NO_ERROR));
            }
        }

        private void headers(ChannelHandlerContext ctx, Http2Headers headers, boolean ends) {
            ctx.write(new DefaultHttp2HeadersFrame(headers, ends, padding));
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            System.err.println("stream: " + cause);
        }
    }

    private static int listen(EventLoopGroup group, SslContext tls, Http2Settings settings, int padding)
            throws InterruptedException {
        ChannelInitializer<Channel> streams = new ChannelInitializer<>() {
            @Override
            protected void initChannel(Channel stream) {
                stream.pipeline().addLast(new Exchange(padding));
            }
        };
        ChannelInitializer<Channel> connections = new ChannelInitializer<>() {
            @Override
            protected void initChannel(Channel connection) {
                connection.pipeline().addLast(
                        tls.newHandler(connection.alloc()),
                        Http2FrameCodecBuilder.forServer().initialSettings(settings).build(),
                        new Http2MultiplexHandler(streams));
            }
        };
        Channel server = new ServerBootstrap()
                .group(group)
                .channel(NioServerSocketChannel.class)
                .childHandler(connections)
                .bind("127.0.0.1", 0)
                .sync()
                .channel();
        return ((InetSocketAddress) server.localAddress()).getPort();
    }

    public static void main(String[] args) throws Exception {
        SslContext tls = SslContextBuilder.forServer(new File(args[0]), new File(args[1]))
                .applicationProtocolConfig(new ApplicationProtocolConfig(
                        Protocol.ALPN,
                        SelectorFailureBehavior.NO_ADVERTISE,
                        SelectedListenerFailureBehavior.ACCEPT,
                        "h2"))
                .build();
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
        int plain = listen(group, tls, Http2Settings.defaultSettings(), 0);
        Http2Settings few = new Http2Settings()
                .maxConcurrentStreams(10)
                .headerTableSize(0)
                .initialWindowSize(1024);
        System.out.println("listening " + plain + " " + listen(group, tls, few, 200));
        while (System.in.read() >= 0) {
            // Until nobody is there any more.
        }
        System.exit(0);
    }
}
