package hapi;

import ca.uhn.fhir.rest.server.RestfulServer;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/** Serves FHIR R4 at http://127.0.0.1:PORT/fhir, or where the property hapi.host says. Arguments: PORT (0 chooses one), then a folder for the database or "memory". */
public final class Main {

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 2) {
            System.err.println("usage: PORT FOLDER|memory");
            System.exit(2);
        }
        String database = arguments[1].equals("memory")
            ? "jdbc:h2:mem:hapi;DB_CLOSE_DELAY=-1"
            : "jdbc:h2:file:" + Path.of(arguments[1], "hapi").toAbsolutePath();
        System.setProperty("hapi.database", database);

        endWithOurParent();
        AnnotationConfigApplicationContext beans = new AnnotationConfigApplicationContext(HapiConfiguration.class);
        Server server = new Server(new QueuedThreadPool(50));
        ServerConnector connector = new ServerConnector(server, new HttpConnectionFactory(new HttpConfiguration()));
        // Loopback only, but for a container, where the outside is the container's own network.
        connector.setHost(System.getProperty("hapi.host", InetAddress.getLoopbackAddress().getHostAddress()));
        connector.setPort(Integer.parseInt(arguments[0]));
        server.addConnector(connector);

        ServletContextHandler context = new ServletContextHandler("/");
        context.addServlet(new ServletHolder(beans.getBean(RestfulServer.class)), "/fhir/*");
        server.setHandler(context);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(server, beans)));
        server.start();
        // The launcher reads the port from this line.
        System.out.println("LISTENING " + connector.getLocalPort());
        server.join();
    }

    /** Whoever started us holds our standard input open; when they end, however they end, so do we. */
    private static void endWithOurParent() {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // nothing is said on it
                }
            } catch (IOException closed) {
                // as good as the end
            }
            System.exit(0);
        });
        watch.setDaemon(true);
        watch.start();
    }

    private static void stop(Server server, AnnotationConfigApplicationContext beans) {
        try {
            server.stop();
        } catch (Exception failure) {
            System.err.println("Jetty did not stop cleanly: " + failure);
        }
        beans.close();
    }

    private Main() {}
}
