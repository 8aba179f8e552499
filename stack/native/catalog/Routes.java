import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.CatalogHandlers;
import org.apache.iceberg.rest.Endpoint;
import org.apache.iceberg.rest.RESTCatalogProperties.SnapshotMode;
import org.apache.iceberg.rest.RESTSerializers;
import org.apache.iceberg.rest.RESTUtil;
import org.apache.iceberg.rest.requests.CreateNamespaceRequest;
import org.apache.iceberg.rest.requests.CreateTableRequest;
import org.apache.iceberg.rest.requests.CreateViewRequest;
import org.apache.iceberg.rest.requests.RegisterTableRequest;
import org.apache.iceberg.rest.requests.RenameTableRequest;
import org.apache.iceberg.rest.requests.UpdateNamespacePropertiesRequest;
import org.apache.iceberg.rest.requests.UpdateTableRequest;

/** Path and method of the REST protocol to Iceberg's own handlers. */
final class Routes {
  private static final ObjectMapper MAPPER = mapper();
  private static final List<Endpoint> ENDPOINTS = List.of(
      Endpoint.V1_LIST_NAMESPACES, Endpoint.V1_LOAD_NAMESPACE, Endpoint.V1_NAMESPACE_EXISTS,
      Endpoint.V1_CREATE_NAMESPACE, Endpoint.V1_UPDATE_NAMESPACE, Endpoint.V1_DELETE_NAMESPACE,
      Endpoint.V1_LIST_TABLES, Endpoint.V1_LOAD_TABLE, Endpoint.V1_TABLE_EXISTS, Endpoint.V1_CREATE_TABLE,
      Endpoint.V1_UPDATE_TABLE, Endpoint.V1_DELETE_TABLE, Endpoint.V1_RENAME_TABLE, Endpoint.V1_REGISTER_TABLE,
      Endpoint.V1_REPORT_METRICS, Endpoint.V1_LIST_VIEWS, Endpoint.V1_LOAD_VIEW, Endpoint.V1_VIEW_EXISTS,
      Endpoint.V1_CREATE_VIEW, Endpoint.V1_UPDATE_VIEW, Endpoint.V1_DELETE_VIEW, Endpoint.V1_RENAME_VIEW);

  private final JdbcCatalog catalog;

  Routes(JdbcCatalog catalog) {
    this.catalog = catalog;
  }

  private static ObjectMapper mapper() {
    ObjectMapper mapper = new ObjectMapper();
    mapper.setVisibility(PropertyAccessor.FIELD, JsonAutoDetect.Visibility.ANY);
    mapper.configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    mapper.setPropertyNamingStrategy(PropertyNamingStrategies.KEBAB_CASE);
    RESTSerializers.registerAll(mapper);
    return mapper;
  }

  static String toJson(Object body) throws JsonProcessingException {
    return MAPPER.writeValueAsString(body);
  }

  private static <T> T parse(String body, Class<T> type) throws JsonProcessingException {
    T request = MAPPER.readValue(body, type);
    if (request instanceof org.apache.iceberg.rest.RESTMessage message) {
      message.validate();
    }
    return request;
  }

  private static Namespace namespaceOf(String segment) {
    return RESTUtil.decodeNamespace(segment, "%1F");
  }

  private static CatalogServer.Answer ok(Object body) {
    return new CatalogServer.Answer(200, body);
  }

  private static CatalogServer.Answer done(Runnable action) {
    action.run();
    return new CatalogServer.Answer(204, null);
  }

  CatalogServer.Answer dispatch(String method, List<String> path, Map<String, String> query, String body)
      throws JsonProcessingException {
    // "GET v1 namespaces {}" is the operation; the values of the path are read by position
    String operation = method + " " + Stream.iterate(0, i -> i < path.size(), i -> i + 1)
        .map(i -> i == 2 || i == 4 ? "{}" : path.get(i)).collect(Collectors.joining("/"));
    Namespace namespace = path.size() > 2 ? namespaceOf(path.get(2)) : Namespace.empty();
    TableIdentifier name =
        path.size() > 4 ? TableIdentifier.of(namespace, RESTUtil.decodePathSegment(path.get(4))) : null;
    switch (operation) {
      case "GET v1/config":
        List<String> endpoints = ENDPOINTS.stream().map(Endpoint::toString).collect(Collectors.toList());
        return ok(Map.of("defaults", Map.of(), "overrides", Map.of(), "endpoints", endpoints));
      case "GET v1/namespaces":
        Namespace parent = query.containsKey("parent")
            ? RESTUtil.namespaceFromQueryParam(query.get("parent")) : Namespace.empty();
        return ok(CatalogHandlers.listNamespaces(catalog, parent));
      case "POST v1/namespaces":
        return ok(CatalogHandlers.createNamespace(catalog, parse(body, CreateNamespaceRequest.class)));
      case "HEAD v1/namespaces/{}":
        return done(() -> CatalogHandlers.namespaceExists(catalog, namespace));
      case "GET v1/namespaces/{}":
        return ok(CatalogHandlers.loadNamespace(catalog, namespace));
      case "DELETE v1/namespaces/{}":
        return done(() -> CatalogHandlers.dropNamespace(catalog, namespace));
      case "POST v1/namespaces/{}/properties":
        return ok(CatalogHandlers.updateNamespaceProperties(
            catalog, namespace, parse(body, UpdateNamespacePropertiesRequest.class)));
      case "GET v1/namespaces/{}/tables":
        return ok(CatalogHandlers.listTables(catalog, namespace));
      case "POST v1/namespaces/{}/tables":
        CreateTableRequest create = parse(body, CreateTableRequest.class);
        return ok(create.stageCreate()
            ? CatalogHandlers.stageTableCreate(catalog, namespace, create)
            : CatalogHandlers.createTable(catalog, namespace, create));
      case "POST v1/namespaces/{}/register":
        return ok(CatalogHandlers.registerTable(catalog, namespace, parse(body, RegisterTableRequest.class)));
      case "HEAD v1/namespaces/{}/tables/{}":
        return done(() -> CatalogHandlers.tableExists(catalog, name));
      case "GET v1/namespaces/{}/tables/{}":
        boolean refs = "refs".equalsIgnoreCase(query.get("snapshots"));
        return ok(CatalogHandlers.loadTable(catalog, name, refs ? SnapshotMode.REFS : SnapshotMode.ALL));
      case "POST v1/namespaces/{}/tables/{}":
        return ok(CatalogHandlers.updateTable(catalog, name, parse(body, UpdateTableRequest.class)));
      case "DELETE v1/namespaces/{}/tables/{}":
        boolean purge = Boolean.parseBoolean(query.get("purgeRequested"));
        return done(() -> {
          if (purge) {
            CatalogHandlers.purgeTable(catalog, name);
          } else {
            CatalogHandlers.dropTable(catalog, name);
          }
        });
      case "POST v1/namespaces/{}/tables/{}/metrics":
        return new CatalogServer.Answer(204, null);
      case "POST v1/tables/{}":
        RenameTableRequest rename = parse(body, RenameTableRequest.class);
        return done(() -> CatalogHandlers.renameTable(catalog, rename));
      case "GET v1/namespaces/{}/views":
        return ok(CatalogHandlers.listViews(catalog, namespace));
      case "POST v1/namespaces/{}/views":
        return ok(CatalogHandlers.createView(catalog, namespace, parse(body, CreateViewRequest.class)));
      case "HEAD v1/namespaces/{}/views/{}":
        return done(() -> CatalogHandlers.viewExists(catalog, name));
      case "GET v1/namespaces/{}/views/{}":
        return ok(CatalogHandlers.loadView(catalog, name));
      case "POST v1/namespaces/{}/views/{}":
        return ok(CatalogHandlers.updateView(catalog, name, parse(body, UpdateTableRequest.class)));
      case "DELETE v1/namespaces/{}/views/{}":
        return done(() -> CatalogHandlers.dropView(catalog, name));
      case "POST v1/views/{}":
        RenameTableRequest renameView = parse(body, RenameTableRequest.class);
        return done(() -> CatalogHandlers.renameView(catalog, renameView));
      default:
        throw new NotFoundException("the catalog has no such route: %s", operation);
    }
  }
}
