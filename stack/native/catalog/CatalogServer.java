import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.exceptions.CommitStateUnknownException;
import org.apache.iceberg.exceptions.NamespaceNotEmptyException;
import org.apache.iceberg.exceptions.NotAuthorizedException;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.NoSuchViewException;
import org.apache.iceberg.exceptions.UnprocessableEntityException;
import org.apache.iceberg.exceptions.ValidationException;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.RESTUtil;
import org.apache.iceberg.rest.responses.ErrorResponse;

/**
 * The Iceberg REST catalog: HTTP and tokens here, the protocol's operations in {@link Routes}, the state in
 * PostgreSQL through {@link JdbcCatalog}. Settings are CATALOG_* variables: CATALOG_ is dropped, "__" is "-",
 * "_" is "." (CATALOG_IO__IMPL is io-impl).
 */
public final class CatalogServer {
  private static final int THREADS = 16;
  private static final int BACKLOG = 128;

  /** The HTTP status of each error the catalog raises; what is not here is a 500. First match wins. */
  private static final Map<Class<? extends Exception>, Integer> STATUS = new LinkedHashMap<>();

  static {
    STATUS.put(NotAuthorizedException.class, 401);
    STATUS.put(NoSuchNamespaceException.class, 404);
    STATUS.put(NoSuchTableException.class, 404);
    STATUS.put(NoSuchViewException.class, 404);
    STATUS.put(NotFoundException.class, 404);
    STATUS.put(AlreadyExistsException.class, 409);
    STATUS.put(NamespaceNotEmptyException.class, 409);
    STATUS.put(CommitFailedException.class, 409);
    STATUS.put(UnprocessableEntityException.class, 422);
    STATUS.put(CommitStateUnknownException.class, 500);
    STATUS.put(UnsupportedOperationException.class, 406);
    STATUS.put(ValidationException.class, 400);
    STATUS.put(IllegalArgumentException.class, 400);
    STATUS.put(com.fasterxml.jackson.core.JacksonException.class, 400);
  }

  private final Routes routes;
  private final Tokens tokens;
  private final JdbcCatalog catalog;
  private final Map<String, LongAdder> requests = new ConcurrentHashMap<>();
  private final LongAdder nanos = new LongAdder();

  private CatalogServer(JdbcCatalog catalog, Tokens tokens) {
    this.catalog = catalog;
    this.routes = new Routes(catalog);
    this.tokens = tokens;
  }

  public static void main(String[] args) throws IOException {
    Map<String, String> properties = new TreeMap<>();
    System.getenv().forEach((name, value) -> {
      if (name.startsWith("CATALOG_")) {
        String key = name.substring("CATALOG_".length()).replace("__", "-").replace('_', '.');
        properties.put(key.toLowerCase(java.util.Locale.ROOT), value);
      }
    });
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.initialize("lakehouse", properties);
    Tokens tokens = new Tokens(required("REST_CLIENT_ID"), required("REST_CLIENT_SECRET"));
    InetSocketAddress address =
        new InetSocketAddress(required("REST_HOST"), Integer.parseInt(required("REST_PORT")));
    HttpServer server = HttpServer.create(address, BACKLOG);
    server.setExecutor(Executors.newFixedThreadPool(THREADS));
    server.createContext("/", new CatalogServer(catalog, tokens)::handle);
    server.start();
    System.err.println("catalog listens on " + address);
  }

  private static String required(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalStateException(name + " is not set");
    }
    return value;
  }

  private void handle(HttpExchange exchange) throws IOException {
    long began = System.nanoTime();
    int status = 500;
    try (exchange) {
      Answer answer;
      try {
        answer = answer(exchange);
      } catch (Exception error) {
        answer = failure(error);
      }
      status = answer.status();
      send(exchange, answer);
    } finally {
      nanos.add(System.nanoTime() - began);
      String label = "method=\"" + exchange.getRequestMethod() + "\",status=\"" + status + "\"";
      requests.computeIfAbsent(label, ignored -> new LongAdder()).increment();
    }
  }

  private Answer answer(HttpExchange exchange) throws IOException {
    URI uri = exchange.getRequestURI();
    String path = uri.getRawPath();
    String body = read(exchange);
    switch (path) {
      case "/healthz":
        catalog.listNamespaces(Namespace.empty());
        return Answer.text("ok\n");
      case "/metrics":
        return Answer.text(metrics());
      case "/v1/oauth/tokens":
        return tokens.issue(RESTUtil.decodeFormData(body), exchange.getRequestHeaders().getFirst("Authorization"));
      default:
        tokens.check(exchange.getRequestHeaders().getFirst("Authorization"));
        List<String> segments = Arrays.stream(path.split("/")).filter(part -> !part.isEmpty())
            .collect(Collectors.toList());
        Map<String, String> query = uri.getRawQuery() == null ? Map.of() : RESTUtil.decodeFormData(uri.getRawQuery());
        return routes.dispatch(exchange.getRequestMethod(), segments, query, body);
    }
  }

  private static String read(HttpExchange exchange) throws IOException {
    try (InputStream stream = exchange.getRequestBody()) {
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static Answer failure(Exception error) {
    int status = STATUS.entrySet().stream().filter(entry -> entry.getKey().isInstance(error))
        .map(Map.Entry::getValue).findFirst().orElse(500);
    if (status == 500) {
      error.printStackTrace();
    }
    ErrorResponse response = ErrorResponse.builder().responseCode(status)
        .withType(error.getClass().getSimpleName()).withMessage(String.valueOf(error.getMessage())).build();
    return new Answer(status, response);
  }

  private static void send(HttpExchange exchange, Answer answer) throws IOException {
    boolean empty = answer.body() == null || "HEAD".equals(exchange.getRequestMethod());
    if (empty) {
      exchange.sendResponseHeaders(answer.status(), -1);
      return;
    }
    boolean text = answer.body() instanceof String;
    byte[] bytes = (text ? (String) answer.body() : Routes.toJson(answer.body())).getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", text ? "text/plain; version=0.0.4" : "application/json");
    exchange.sendResponseHeaders(answer.status(), bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private String metrics() {
    StringBuilder text = new StringBuilder("# TYPE catalog_requests_total counter\n");
    new TreeMap<>(requests).forEach((label, count) ->
        text.append("catalog_requests_total{").append(label).append("} ").append(count.sum()).append('\n'));
    return text.append("# TYPE catalog_request_seconds_sum counter\ncatalog_request_seconds_sum ")
        .append(nanos.sum() / 1e9).append('\n').toString();
  }

  /** What goes back: a status and a body that is text, an Iceberg response, a map, or nothing. */
  record Answer(int status, Object body) {
    static Answer text(String body) {
      return new Answer(200, body);
    }
  }
}
